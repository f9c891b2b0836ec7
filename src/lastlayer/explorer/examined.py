"""A model and the rows that the explorer looks at it with."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.estimators import SoftmaxClassifier
from lastlayer.explorer.fields import Refused
from lastlayer.explorer.row_figures import RowFigures, row_figures, scores_in_full


@dataclass(frozen=True, eq=False)
class Examined:
    """What one pass over the data has left in memory. Nothing of it is ever written.

    Attributes:
      model: fitted; a copy of the file's.
      model_path: what the command was given.
      data_paths: what the command was given.
      classes: (K,) names of the classes, as text.
      feature_names: (D,) text.
      features: (N, D), float32 or float64 as the data has them.
      logits: (N, K) float32, scores before beta; those of two classes are (0, score).
      labels: (N,) index of each row's class; -1 where the model has no such class. None where the data has no labels.
      columns: the other columns of the rows, N high: text to filter and to show.
      label_column: which of them holds the labels; None where the data has no labels.
      numbers: (N,) the number of each row in its file, from 0 and before any condition; files follow one another. None
        for 0 to N - 1.
      feature_columns: which columns of the data the features are; of one list column, its name.
      features_are_list: whether they are one column of lists.
      where: the SQL condition that chose the rows, if any.
      format: of the files, where it was given.
      figures: of every row, in full precision.
    """

    model: SoftmaxClassifier
    model_path: str
    data_paths: tuple[str, ...]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    features: NDArray[Any]
    logits: NDArray[Any]
    labels: NDArray[np.int64] | None
    columns: pl.DataFrame
    label_column: str | None
    numbers: NDArray[np.int64] | None = None
    feature_columns: tuple[str, ...] = ()
    features_are_list: bool = False
    where: str | None = None
    format: str | None = None
    figures: RowFigures = field(default=cast(RowFigures, None))  # worked out where nobody gives it

    def __post_init__(self) -> None:
        if cast(Any, self.figures) is None:
            scores = scores_in_full(self.model, self.features)
            object.__setattr__(self, "figures", row_figures(self.model, scores, self.labels))


def required(examined: Examined | None) -> Examined:
    """`examined`. Raises Refused if there is none."""
    if examined is None:
        raise Refused("model", "the explorer was started without one, expected lastlayer explore MODEL DATA")
    return examined


def required_labels(examined: Examined) -> NDArray[np.int64]:
    """(N,) the labels of the rows. Raises Refused if there are none."""
    if examined.labels is None:
        raise Refused("labels", "the data has none, expected a column of labels, which --label names")
    return examined.labels
