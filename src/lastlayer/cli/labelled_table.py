"""The labelled rows that a command judges a model on, or chooses its rule on."""

from collections.abc import Sequence

from lastlayer.cli.arguments import standard_input
from lastlayer.cli.saved_model import say_how_features_were_found
from lastlayer.tables import FeatureColumns, Table
from lastlayer.tables import labelled_table as table_of_files
from lastlayer.tables.model_rows import LinearHead


def labelled_table(
    model: LinearHead,
    data: Sequence[str],
    where: str | None,
    format_: str | None,
    label: str | None,
    weight: str | None = None,
) -> tuple[Table, str, FeatureColumns]:
    """The table `data`, its column of labels and those of its features, as `lastlayer.tables.labelled_table` has them.

    "-" is standard input, and it is said where the model knows no names of its features.
    """
    found = table_of_files(model, data, where, format_, label, weight, stdin=standard_input())
    say_how_features_were_found(found.columns, are_named=found.are_named)
    return found.table, found.label, found.columns
