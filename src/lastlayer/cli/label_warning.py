"""A column of labels that looks like an id or a measurement."""

from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lastlayer._sorted_classes import sorted_classes
from lastlayer._text import shown

# Two rows of two classes are a small table, not a suspicious one.
_FEWEST_CLASSES = 3


def warn_of_labels_of_their_own(y: NDArray[Any], label: str) -> None:
    """Warn, on standard error, if more than half of the rows have a label that no other row has.

    Such a column has nearly as many classes as rows: no row says anything of another, and the fit takes a weight for
    each feature of each row.

    Args:
      y: (N,) labels.
      label: the name of their column.
    """
    classes, codes = sorted_classes(y)
    alone = int((np.bincount(codes) == 1).sum())
    if len(classes) >= _FEWEST_CLASSES and 2 * alone > len(y):
        click.echo(
            f"warning: column {shown(label)}: {alone:,} of {len(y):,} rows have a label that no other row has, "
            "expected classes of several rows each; if it is an id or a measurement, choose another column with "
            "--label.",
            err=True,
        )
