"""What the shards of a fit tell, put together: their classes, weights and width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._sorted_classes import sorted_classes
from lastlayer.ray.shard_worker import FitColumns, ShardSummary
from lastlayer.tables import InputError, Table, nothing_weighs


@dataclass(frozen=True, eq=False)
class MergedShards:
    """The rows of all shards.

    Attributes:
      which: the numbers of the shards that have rows.
      rows: how many rows weigh.
      width: how many features there are.
      dtype: of the features.
      classes: (K,) sorted labels.
      counts: (K,) rows of each.
      weights: (K,) their summed weight, added in the order of the shards.
      weight: of all rows.
    """

    which: tuple[int, ...]
    rows: int
    width: int
    dtype: str
    classes: NDArray[Any]
    counts: NDArray[np.int64]
    weights: NDArray[np.float64]
    weight: float


def merged(summaries: Sequence[ShardSummary | None], table: Table, columns: FitColumns) -> MergedShards:
    """The MergedShards of what every worker tells, in the order of the table.

    Raises: InputError if no row is left, if there is one class only, or with many labels a row none, or if lists of
      features differ in length.
    """
    found = {k: summary for k, summary in enumerate(summaries) if summary is not None}
    if not found:
        raise table.no_rows() if columns.weight is None else nothing_weighs(table.name, columns.weight)
    first, *others = found.values()
    for other in others:
        if other.width != first.width:
            raise InputError(
                f"{other.place}: column {columns.features.names[0]} holds lists of {other.width}, but those before "
                f"hold {first.width}, expected lists of one length; correct the row."
            )
    of_labels = [summary for summary in found.values() if len(summary.classes)]
    if not of_labels:
        raise InputError(
            f"{table.name}: column {columns.label} is empty in every row, expected at least one label to learn; choose "
            "other rows, or another column."
        )
    classes, indices = sorted_classes(np.concatenate([summary.classes for summary in of_labels]))
    if len(classes) < 2 and not columns.many:
        raise InputError(
            f"{table.name}: column {columns.label} is {classes.tolist()[0]!r} in every row, expected at least two "
            "classes; choose other rows, or another column."
        )
    parts = [(summary.counts, summary.weights) for summary in of_labels]
    counts, weights = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    merged_counts, merged_weights = np.zeros(len(classes), np.int64), np.zeros(len(classes))
    np.add.at(merged_counts, indices, counts)
    np.add.at(merged_weights, indices, weights)
    return MergedShards(
        tuple(found),
        sum(summary.rows for summary in found.values()),
        first.width,
        str(np.result_type(*(summary.dtype for summary in found.values()))),
        classes,
        merged_counts,
        merged_weights,
        math.fsum(summary.weight for summary in found.values()),
    )
