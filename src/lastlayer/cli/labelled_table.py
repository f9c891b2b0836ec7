"""The labelled rows that a model is judged on, or its rule chosen: their table, and which of its columns are what."""

from collections.abc import Sequence
from typing import NamedTuple

import lastlayer as ll
from lastlayer.cli.arguments import standard_input
from lastlayer.cli.saved_model import feature_columns
from lastlayer.estimators import has_many_labels
from lastlayer.tables import FeatureColumns, Table, label_column, open_table, require_weight


class LabelledTable(NamedTuple):
    """A table, the name of its column of labels, and those of its features."""

    table: Table
    label: str
    columns: FeatureColumns


def labelled_table(
    model: ll.SoftmaxClassifier | ll.SigmoidClassifier,
    data: Sequence[str],
    where: str | None,
    format_: str | None,
    label: str | None,
    weight: str | None = None,
) -> LabelledTable:
    """The files `data` as rows for `model`.

    Args:
      model: whose features, and whose label column unless `label` names another, the table must have.
      data: files of one table.
      where: SQL that chooses rows; None for all.
      format_: as in `open_table`.
      label: the column of labels; None for the one of the fit or, where the table lacks that, the usual one.
      weight: the column of weights; None for none.
    Raises: InputError.
    """
    many_labels, remembered = has_many_labels(model), model.training_.label
    wanted = label or remembered or ("labels" if many_labels else "label")
    table = open_table(data, wanted=[wanted], stdin=standard_input(), format=format_)
    label = label_column(table, label or (remembered if remembered in table.schema else None))
    require_weight(table, weight, label)
    table = (table if many_labels else table.as_written([label])).filtered(where)
    return LabelledTable(table, label, feature_columns(model, table, label, weight))
