"""Errors that the library raises about a user's data, told apart from bugs."""

from collections.abc import Iterator
from contextlib import contextmanager

from lastlayer.tables import InputError


@contextmanager
def about_the_input() -> Iterator[None]:
    """Within: a ValueError or TypeError of the library is about the data it was given, so it becomes an InputError."""
    try:
        yield
    except (ValueError, TypeError) as failure:
        raise InputError(str(failure)) from failure
