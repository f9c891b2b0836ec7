"""Batches of predictions to a parquet, csv or jsonl file, or to standard output."""

import sys
from pathlib import Path

import click
from polars.io.plugins import register_io_source

from lastlayer.storage import replacement

_KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def kind_of(output, as_json):
    """The kind of file `output` is, by its name; standard output, "-", takes csv or jsonl.

    Raises: click.UsageError for another name.
    """
    if output == "-":
        return "jsonl" if as_json else "csv"
    kind = _KINDS.get(Path(output).suffix.lower())
    if kind is None:
        raise click.UsageError(f"-o {output}: of no known kind, expected .parquet, .csv, .jsonl or -")
    return kind


def write_predictions(batches, output, kind):
    """Write every DataFrame of `batches` to `output`, as a whole or not at all; returns the number of rows.

    Standard output takes each batch as it comes.
    """
    batches = _Counted(batches)
    if output == "-":
        _write_text(batches, sys.stdout.buffer, kind)
        return batches.rows
    with replacement(output) as beside:
        if kind == "parquet":
            _write_parquet(batches, beside)
        else:
            with beside.open("wb") as file:
                _write_text(batches, file, kind)
    return batches.rows


class _Counted:
    def __init__(self, batches):
        self.batches = iter(batches)
        self.rows = 0

    def __iter__(self):
        for batch in self.batches:
            self.rows += batch.height
            yield batch


def _write_text(batches, file, kind):
    first = True
    for batch in batches:
        text = batch.write_ndjson() if kind == "jsonl" else batch.write_csv(include_header=first)
        file.write(text.encode())
        first = False


def _write_parquet(batches, path):
    """Polars pulls the batches, so that no more than a few of them are in memory."""
    batches = iter(batches)
    first = next(batches)

    def source(with_columns, predicate, n_rows, batch_size):
        yield first
        yield from batches

    register_io_source(source, schema=first.schema).sink_parquet(path)
