"""What is wrong with a file, a column or a value that a user handed over."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """One sentence about the input: where, what was found, what was expected, what to do."""


class NoRows(InputError):  # noqa: N818 - read as what it says: there are no rows
    """A table without rows, or without any that its condition keeps."""


class NothingWeighs(InputError):  # noqa: N818 - as above
    """A table whose weights are all 0."""


def missing_column(where: str, name: str, columns: Iterable[str], remedy: str = "check the name") -> InputError:
    """The InputError for a column that is not there, with the nearest name that is."""
    columns = list(columns)
    nearest = difflib.get_close_matches(name, columns, n=1, cutoff=0.5) or difflib.get_close_matches(
        name.casefold(), [column for column in columns if column.casefold() == name.casefold()], n=1
    )
    shown = ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"{remedy}."
    return InputError(f"{where}: no column {name!r}, expected one of {shown}; {hint}")


def first_line(failure: BaseException) -> str:
    """What another library says, cut to its first line and without a full stop."""
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0].strip().rstrip(".")
