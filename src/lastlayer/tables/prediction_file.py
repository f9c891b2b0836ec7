"""Batches of predictions to a parquet, csv or jsonl file, or to standard output."""

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError
from polars.io.plugins import register_io_source

from lastlayer._json import json_text, json_value
from lastlayer._text import shown
from lastlayer.storage import replacement, unwritable
from lastlayer.tables.input_error import first_line

# By the suffix of their names.
PREDICTION_KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def write_predictions(batches: Iterable[pl.DataFrame], output: str | Path, kind: str) -> int:
    """Write every DataFrame of `batches` to `output`, as a whole or not at all; returns the number of rows.

    Standard output takes each batch as it comes.
    """
    batches = _Counted(batches)
    if output == "-":
        _write_text(batches, sys.stdout.buffer, kind, on_terminal=sys.stdout.isatty())
        return batches.rows
    with replacement(output) as beside:
        if kind == "parquet":
            _write_parquet(batches, beside, output)
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


def _write_text(batches, file, kind, *, on_terminal=False):
    first = True
    for batch in batches:
        text = _json_lines(batch) if kind == "jsonl" else batch.write_csv(include_header=first)
        if on_terminal:
            text = "\n".join(map(shown, text.split("\n")))
        file.write(text.encode())
        first = False


def _json_lines(batch):
    """A JSON object a row, as `json_value` has it: Polars writes NaN as null, but the infinities too."""
    text = batch.write_ndjson()
    rows = sorted({row for name in batch.columns for row in _rows_to_mend(batch[name])})
    if not rows:
        return text
    lines = text.removesuffix("\n").split("\n")  # not splitlines: a text may hold other ends of line
    for row in rows:
        lines[row] = json_text(_with_infinities(json.loads(lines[row]), batch.row(row, named=True)))
    return "\n".join(lines) + "\n"


def _rows_to_mend(series):
    """The rows whose entry holds an infinity, or may hold one."""
    dtype = series.dtype
    if dtype.is_float():
        found = series.is_infinite()
    elif isinstance(dtype, (pl.List, pl.Array)) and dtype.inner.is_float():
        is_infinite = pl.element().is_infinite().any()
        found = series.cast(pl.List(dtype.inner)).list.eval(is_infinite).list.first()
    elif dtype.is_nested():
        return range(len(series))
    else:
        return ()
    return found.fill_null(False).arg_true().to_list()


def _with_infinities(written, value):
    if isinstance(value, float) and math.isinf(value):
        return json_value(value)
    if isinstance(value, dict):
        return {key: _with_infinities(written[key], entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_infinities(*pair) for pair in zip(written, value, strict=True)]
    return written


def _write_parquet(batches, path, output):
    """Polars pulls the batches, so that no more than a few of them are in memory."""
    batches = iter(batches)
    first = next(batches)
    raised = []

    def source(with_columns, predicate, n_rows, batch_size):
        try:
            yield first
            yield from batches
        except BaseException as failure:
            raised.append(failure)  # Polars would pass on its text alone
            raise

    try:
        register_io_source(source, schema=first.schema).sink_parquet(path)
    except BaseException as failure:
        if raised and failure is not raised[0]:
            raise raised[0] from None
        if isinstance(failure, PolarsError):
            # All that is left to fail is the disk; Polars wraps what it said.
            raise unwritable(output, first_line(failure).rpartition("IO error: ")[2]) from failure
        raise
