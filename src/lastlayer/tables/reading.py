"""What other libraries raise over a file, turned into one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from polars.exceptions import PanicException, PolarsError

from lastlayer.tables.input_error import InputError, first_line


@contextmanager
def reading(name: str, remedy: str = "check that the file is whole and of its kind") -> Iterator[None]:
    """Within, what Polars, NumPy and the system raise becomes an InputError about `name`; an InputError stays as it is.

    A panic of Polars derives from BaseException, so that `except Exception` misses it. One that an interrupt has caused
    stays what it is.
    """
    try:
        yield
    except InputError:
        raise
    except (PolarsError, OSError, ValueError, TypeError, OverflowError, EOFError, PanicException) as failure:
        if isinstance(failure, PanicException) and "KeyboardInterrupt" in str(failure):
            raise
        raise InputError(f"{name}: cannot be read ({first_line(failure)}); {remedy}.") from failure
