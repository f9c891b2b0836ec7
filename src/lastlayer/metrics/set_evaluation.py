"""How good are prediction sets: how often do they hold the label, and how large are they?"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from lastlayer._indicator import as_indicator
from lastlayer._json import json_text, json_value
from lastlayer.metrics.decided_rows import decided_rows
from lastlayer.metrics.decision_evaluation import clopper_pearson
from lastlayer.metrics.text_table import decimals, line

# Sizes that are counted one by one; larger ones together.
_MOST = 10


@dataclass(frozen=True, eq=False)
class SetEvaluation:
    """How good N sets of classes are, one a row. Every share and mean is weighted.

    Attributes:
      rows: N; rows of weight 0 do not count, nor those of no class.
      num_classes: K.
      coverage: share of the rows whose set holds the label.
      coverage_interval: (lowest, highest) of that with a confidence of 0.95, exact for independent rows; None of
        weighted rows. Source: Clopper & Pearson 1934.
      mean_size: mean number of classes in a set.
      largest: most classes in a set.
      size_share: share of the rows by the size of their set: 0, 1, ..., 10 classes, and more.
      unknown_rows: how many rows belong to no class; None where `unknown_label` was not given.
      unknown_mean_size: mean number of classes in their sets; NaN without such rows.
    """

    rows: int
    num_classes: int
    coverage: float
    coverage_interval: tuple[float, float] | None
    mean_size: float
    largest: int
    size_share: tuple[float, ...]
    unknown_rows: int | None
    unknown_mean_size: float

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as what JSON can hold: its attributes, after a "schema" of 1; what is undefined is None."""
        return json_value({"schema": 1} | {field.name: getattr(self, field.name) for field in fields(self)})

    def to_json(self, *, indent: int | None = None) -> str:
        """The evaluation as strict JSON text, with `indent` spaces a level, or on one line; see `to_dict`."""
        return json_text(self.to_dict(), indent=indent)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, SetEvaluation) else NotImplemented

    def __str__(self) -> str:
        interval = self.coverage_interval
        between = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f} at 95 %"
        lines = [
            ("rows", f"{self.rows:,}", "weighted" if interval is None else ""),
            ("classes", f"{self.num_classes:,}", ""),
            ("coverage", decimals(self.coverage), between),
            ("mean size", f"{self.mean_size:.2f}", f"at most {self.largest:,}"),
            ("  empty", decimals(self.size_share[0]), "of the rows"),
            ("  of one class", decimals(self.size_share[1]), ""),
        ]
        if self.unknown_rows is not None:
            lines.append(("rows of no class", f"{self.unknown_rows:,}", "in no figure above"))
            lines.append(("  mean size", "-" if not self.unknown_rows else f"{self.unknown_mean_size:.2f}", ""))
        return "\n".join(map(line, lines))


def evaluate_sets(
    sets: Any,
    labels: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    unknown_label: object = None,
    sample_weight: ArrayLike | None = None,
) -> SetEvaluation:
    """How often sets of classes hold the label, and how large they are.

    Memory beyond the arguments is O(N), and of sparse sets that of their entries.

    Args:
      sets: (N, K) indicator of 0 and 1 or booleans, dense or sparse: which classes the set of each row holds.
      labels: (N,) integers 0..K-1, or members of `classes` where that is given.
      classes: (K,) distinct names, integers or booleans, the meaning of the columns; None for 0..K-1.
      unknown_label: the label of rows that belong to no class, which are counted apart; None where there are none.
      sample_weight: (N,) weights >= 0; a row of weight 0 is as good as absent.
    Returns: a `SetEvaluation`, which defines each figure.
    Raises: ValueError for other shapes, a label that is no class, naming the row, or no rows; TypeError for arrays of
      the wrong kind.
    >>> result = evaluate_sets([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]], [0, 1, 2, 2])
    >>> result.coverage, result.mean_size, result.size_share[:3]
    (0.75, 1.25, (0.25, 0.25, 0.5))
    """
    given: Any = sets if sp.issparse(sets) else np.asarray(sets)
    if given.ndim != 2 or given.shape[1] < 1:
        raise ValueError(f"sets: shape is {given.shape}, expected (N, K), a column for each class.")
    if sp.issparse(given) or given.dtype != bool:
        given = as_indicator(given, "sets").tocsr()
    num_rows, num_classes = given.shape
    rows = decided_rows(labels, num_rows, classes, num_classes, unknown_label, sample_weight, "sets")
    sizes, held = _sizes_and_held(given, rows.labels)
    weight, of_known = rows.weight[rows.known], sizes[rows.known]
    right, total = held[rows.known], weight.sum()
    by_size = np.bincount(np.minimum(of_known, _MOST + 1), weights=weight, minlength=_MOST + 2) / total
    of_unknown = rows.weight[rows.unknown]
    return SetEvaluation(
        rows=len(of_known),
        num_classes=num_classes,
        coverage=float(weight[right].sum() / total),
        coverage_interval=clopper_pearson(int(right.sum()), len(right)) if sample_weight is None else None,
        mean_size=float(weight @ of_known / total),
        largest=int(of_known.max()),
        size_share=tuple(by_size.tolist()),
        unknown_rows=None if unknown_label is None else len(rows.unknown),
        unknown_mean_size=(
            float(of_unknown @ sizes[rows.unknown] / of_unknown.sum()) if of_unknown.size else float("nan")
        ),
    )


def _sizes_and_held(sets: Any, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool]]:
    """(N,) sizes, and whether the label is in the set; False where it is -1."""
    if not sp.issparse(sets):
        return np.count_nonzero(sets, axis=1), sets[np.arange(len(labels)), labels] & (labels >= 0)
    sizes = np.diff(sets.indptr).astype(np.int64)
    of_row = np.repeat(np.arange(len(labels)), sizes)
    held = np.zeros(len(labels), bool)
    held[of_row[sets.indices == labels[of_row]]] = True
    return sizes, held
