"""The label of rows that belong to no class, as a file has it and as an evaluation takes it."""

from typing import Any

import polars as pl
from numpy.typing import NDArray

from lastlayer.tables import InputError


def unknown_value(label: str | None, classes: NDArray[Any]) -> Any:
    """What stands for `label` among labels of the kind of `classes`: itself, or a number below all that are numbers.

    Raises: InputError if it is a class.
    """
    if label is None:
        return None
    if label in map(str, classes.tolist()):
        raise InputError(
            f"--unknown-label {label}: is one of the {len(classes)} classes, expected the label of rows that belong to "
            "none; leave it out."
        )
    return label if classes.dtype.kind in "OUT" else int(classes.min()) - 1


def has_label(series: pl.Series, label: str | None) -> pl.Series:
    """Whether each entry of a column of labels is `label`, which may be written as a number there."""
    if label is None or series.dtype.is_nested():
        return pl.repeat(False, len(series), eager=True)
    return (series.cast(pl.String, strict=False) == label).fill_null(False)
