"""A model file applied to a table: which columns are its features, and how many rows to take at a time."""

from dataclasses import asdict, dataclass

import lastlayer as ll
from lastlayer.cli.refusals import about_the_input
from lastlayer.tables import InputError, feature_matrix, match_features, wrong_width

# Features or probabilities in a batch: 16 MB of float32.
_ENTRIES = 1 << 22
# A batch reads the whole model: with fewer rows than this, a model of many classes is read more often than it pays.
# These rows of probabilities are no larger than the model itself unless its features are fewer still.
_FEWEST_ROWS = 64


# The entry of a model's header that belongs to the command line; all others are their writer's.
_ENTRY = "table_of_fit"


@dataclass(frozen=True)
class TableOfFit:
    """What a model remembers of the table that it was fitted on, and of that fit; None where it is not known."""

    feature_columns: list[str] | None = None
    list_column: bool = False
    label_column: str | None = None
    rows: int | None = None
    held_out_rows: int | None = None
    log_loss_before: float | None = None
    log_loss_after: float | None = None

    @classmethod
    def of(cls, model):
        """What `model` remembers. Raises InputError if its header holds something else in that place."""
        entry = model.header_.get(_ENTRY, {})
        try:
            found = cls(**entry)
        except TypeError:
            found = None
        if found is None or not found._plausible():
            raise InputError(
                f"model: the entry {_ENTRY!r} of its header is not what lastlayer fit writes, expected another name "
                "for an entry of your own; save the model again."
            )
        return found

    def header(self):
        """The header to save a model with."""
        return {_ENTRY: asdict(self)}

    def _plausible(self):
        names = self.feature_columns
        numbers = (self.rows, self.held_out_rows, self.log_loss_before, self.log_loss_after)
        return (
            (names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)))
            and isinstance(self.list_column, bool)
            and isinstance(self.label_column, str | None)
            and all(isinstance(number, int | float | None) for number in numbers)
        )


def load_model(path):
    """The model saved at `path`. Raises InputError or UnreadableHead if there is none."""
    with about_the_input():
        return ll.load(path)


def feature_columns(model, table, label=None):
    """The FeatureColumns of `table` that `model` was fitted on."""
    table_of_fit = TableOfFit.of(model)
    names = table_of_fit.feature_columns or getattr(model, "feature_names_in_", None)
    return match_features(
        table,
        None if names is None else [str(name) for name in names],
        is_list=table_of_fit.list_column,
        width=model.n_features_in_,
        label=label,
    )


def batches(model, table, columns, others=(), *, columns_of_output=1):
    """Yield (frame, X, place): a batch of rows, its features, and a function from a row of it to where it stands.

    Args:
      model: whose width of features is required.
      table: Table.
      columns: FeatureColumns.
      others: names of columns that the frame holds besides.
      columns_of_output: how many numbers the caller makes of each row.
    """
    rows = max(_FEWEST_ROWS, _ENTRIES // max(model.n_features_in_, columns_of_output))
    begin = 0
    for frame in table.batches(dict.fromkeys([*columns.names, *others]), rows):
        place = _from(table, begin)
        X = feature_matrix(frame, columns, place)
        if X.shape[1] != model.n_features_in_:
            raise wrong_width(place(0), columns, X.shape[1], model.n_features_in_)
        yield frame, X, place
        begin += frame.height


def _from(table, begin):
    return lambda row: table.place(begin + row)
