"""What kind of file predictions are written to."""

from pathlib import Path

import click

from lastlayer.tables import PREDICTION_KINDS


def kind_of(output: str, as_json: bool) -> str:
    """The kind of file `output` is, by its name; standard output, "-", takes csv or jsonl.

    Raises: click.UsageError for another name.
    """
    if output == "-":
        return "jsonl" if as_json else "csv"
    kind = PREDICTION_KINDS.get(Path(output).suffix.lower())
    if kind is None:
        raise click.UsageError(f"-o {output}: of no known kind, expected .parquet, .csv, .jsonl or -")
    return kind
