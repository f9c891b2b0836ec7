"""The labelled rows that a model is judged on, or its rule chosen: their table, and which of its columns are what."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from lastlayer.decision.head_rules import has_many_labels
from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.labels import label_column
from lastlayer.tables.model_rows import LinearHead, model_columns
from lastlayer.tables.streams import Readable
from lastlayer.tables.table import Table, open_table
from lastlayer.tables.weights import require_weight


class LabelledTable(NamedTuple):
    """A table, the name of its column of labels, those of its features, and whether the model knows these by name."""

    table: Table
    label: str
    columns: FeatureColumns
    are_named: bool


def labelled_table(
    model: LinearHead,
    data: Sequence[str | os.PathLike[str]],
    where: str | None,
    format_: str | None,
    label: str | None,
    weight: str | None = None,
    *,
    stdin: Readable | None = None,
) -> LabelledTable:
    """The files `data` as rows for `model`.

    Args:
      model: whose features, and whose label column unless `label` names another, the table must have.
      data: files of one table.
      where: SQL that chooses rows; None for all.
      format_: as in `open_table`.
      label: the column of labels; None for the one of the fit or, where the table lacks that, the usual one.
      weight: the column of weights; None for none.
      stdin: as in `open_table`.
    Raises: InputError.
    """
    many_labels, remembered = has_many_labels(model), model.training_.label
    wanted = label or remembered or ("labels" if many_labels else "label")
    table = open_table(data, wanted=[wanted], stdin=stdin, format=format_)
    label = label_column(table, label or (remembered if remembered in table.schema else None))
    require_weight(table, weight, label)
    table = (table if many_labels else table.as_written([label])).filtered(where)
    return LabelledTable(table, label, *model_columns(model, table, label, weight))
