"""A model file that a command was given, and which columns of a table are its features."""

import click

import lastlayer as ll
from lastlayer.cli.refusals import about_the_input
from lastlayer.tables import FeatureColumns, Table
from lastlayer.tables.model_rows import LinearHead, model_columns


def load_model(path: str) -> LinearHead:
    """The model saved at `path`. Raises InputError or UnreadableHead if there is none."""
    with about_the_input():
        return ll.load(path)


def feature_columns(
    model: LinearHead,
    table: Table,
    label: str | None = None,
    weight: str | None = None,
) -> FeatureColumns:
    """The FeatureColumns of `table` that `model` was fitted on; says so where it knows no names of them."""
    columns, are_named = model_columns(model, table, label, weight)
    say_how_features_were_found(columns, are_named=are_named)
    return columns


def say_how_features_were_found(columns: FeatureColumns, *, are_named: bool) -> None:
    """Say on standard error which columns are features where the model knows no names of them."""
    if not are_named:
        taken = f"features: {columns} in the order of the file, since the model knows no names of them"
        click.echo(f"{taken}; {columns.note()}" if columns.left_out else taken, err=True)
