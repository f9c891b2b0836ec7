"""A fitted model applied to a table: which columns are its features, and how many rows to take at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.tables.feature_columns import FeatureColumns, match_features, wrong_width
from lastlayer.tables.feature_matrix import feature_matrix
from lastlayer.tables.table import Table

if TYPE_CHECKING:
    from lastlayer.estimators import SigmoidClassifier, SoftmaxClassifier

LinearHead: TypeAlias = "SoftmaxClassifier | SigmoidClassifier"

# Features or probabilities in a batch: 16 MB of float32.
_ENTRIES = 1 << 22
# A batch reads the whole model: with fewer rows than this, a model of many classes is read more often than it pays.
# These rows of probabilities are no larger than the model itself unless its features are fewer still.
_FEWEST_ROWS = 64


def remember_columns(model: LinearHead, columns: FeatureColumns, label: str) -> None:
    """Let `model` know the FeatureColumns and the label column of the table that its arrays came from."""
    if not columns.is_list:
        model.feature_names_in_ = np.array(columns.names, dtype=object)
    model.training_ = replace(model.training_, label=label, features=columns.names[0] if columns.is_list else None)


def model_columns(
    model: LinearHead, table: Table, label: str | None = None, weight: str | None = None
) -> tuple[FeatureColumns, bool]:
    """The FeatureColumns of `table` that `model` was fitted on, and whether it knows them by name."""
    list_column = model.training_.features
    names = getattr(model, "feature_names_in_", None) if list_column is None else [list_column]
    columns = match_features(
        table,
        None if names is None else [str(name) for name in names],
        is_list=list_column is not None,
        width=model.n_features_in_,
        label=label,
        weight=weight,
    )
    return columns, names is not None or columns.is_list


def batches(
    model: LinearHead,
    table: Table,
    columns: FeatureColumns,
    others: Iterable[str] = (),
    *,
    columns_of_output: int = 1,
) -> Iterator[tuple[pl.DataFrame, NDArray[Any], Callable[[int], str]]]:
    """Yield (frame, X, place): a batch of rows, its features, and a function from a row of it to where it stands.

    Args:
      model: whose width of features is required.
      table: Table.
      columns: FeatureColumns.
      others: names of columns that the frame holds besides.
      columns_of_output: how many numbers the caller makes of each row.
    """
    rows = max(_FEWEST_ROWS, _ENTRIES // max(model.n_features_in_, columns_of_output))
    for frame, place in placed_batches(table, [*columns.names, *others], rows):
        X = feature_matrix(frame, columns, place)
        if X.shape[1] != model.n_features_in_:
            raise wrong_width(place(0), columns, X.shape[1], model.n_features_in_)
        yield frame, X, place


def placed_batches(
    table: Table, names: Iterable[str], rows: int
) -> Iterator[tuple[pl.DataFrame, Callable[[int], str]]]:
    """Yield (frame, place): at most `rows` rows of the columns `names`, and where a row of them stands."""
    begin = 0
    for frame in table.batches(dict.fromkeys(names), rows):
        yield frame, _from(table, begin)
        begin += frame.height


def _from(table, begin):
    return lambda row: table.place(begin + row)
