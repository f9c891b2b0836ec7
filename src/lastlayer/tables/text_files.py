"""Csv, tsv and JSON as lazy frames: the types of all rows, the columns in the order of the file."""

import glob
import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from lastlayer.tables.addresses import is_address

# Polars' own look at every row takes eight times the file's memory and ten times as long as reading it.
_SMALL = 1 << 23
_ROWS_OF_THE_FIRST_LOOK = 1000
_LINES_OF_THE_FIRST_LOOK = 100
# What Polars takes for a number or a truth value in text.
_WHOLE = r"^-?\d+$"
_FRACTION = r"^[-+]?((\d*\.\d+)([eE][-+]?\d+)?|inf|NaN|\d+[eE][-+]?\d+|\d+\.)$"
_TRUTH = r"^(true|false|True|False|TRUE|FALSE)$"


def csv_scanner(place: str | bytes, *, separator: str, compressed: bool) -> Callable[[Sequence[str]], pl.LazyFrame]:
    """The rows of csv text, typed by all of them: a column of a thousand whole numbers may still hold 2.5.

    Args:
      place: a path or the bytes; compressed text is unpacked piece by piece as it is read.
      separator: between fields.
      compressed: whether it is.
    Returns: a function of columns that are to be text, as they are written, to the lazy frame.
    """
    scan = partial(pl.scan_csv, place, glob=False, separator=separator)
    if not compressed and _size(place) <= _SMALL:
        schema = scan(infer_schema_length=None).collect_schema()
    else:
        schema = _schema_of_large_csv(scan)
    return lambda text: scan(schema={**schema, **dict.fromkeys(text, pl.String)})


def scan_jsonl(place: str | bytes) -> pl.LazyFrame:
    """The rows of lines of JSON objects, typed by all of them; columns stand in the order of their first appearance.

    Polars alone gives columns in another order in each process.
    """
    scan = partial(pl.scan_ndjson, place if isinstance(place, bytes) else glob.escape(place))
    schema = scan(infer_schema_length=None).collect_schema()
    order = _in_order(_objects_of_lines(pl.scan_lines(place, glob=False)), schema)
    return scan(schema={name: schema[name] for name in order})


def read_json(place: str | bytes) -> pl.DataFrame:
    """The rows of a JSON array of objects, typed and in order as in `scan_jsonl`, held in memory."""
    content = place if isinstance(place, bytes) else Path(place).read_bytes()
    frame = pl.read_json(content, infer_schema_length=None)
    return frame.select(_in_order(_objects_of_array(content.decode("utf-8-sig")), frame.schema))


def _size(place):
    """Bytes; an object of a store counts as large."""
    if isinstance(place, str) and is_address(place):
        return math.inf
    return len(place) if isinstance(place, bytes) else Path(place).stat().st_size


def _schema_of_large_csv(scan):
    """What a look at every row would infer, in a pass or two that hold little memory.

    Types are guessed from the first rows and hold if every row can be read with them. Otherwise, and for columns that
    begin with nothing, the texts of all rows are counted by what they are.
    """
    guess = scan(infer_schema_length=_ROWS_OF_THE_FIRST_LOOK).collect_schema()
    texts = scan(schema=dict.fromkeys(guess, pl.String))  # of no other type: the engine also reads rows after the first
    first = texts.head(_ROWS_OF_THE_FIRST_LOOK).collect(engine="streaming")
    typed = [name for name, dtype in guess.items() if dtype != pl.String]
    empty = [name for name, dtype in guess.items() if dtype == pl.String and first[name].null_count() == first.height]
    doubtful = empty
    try:
        counts = _one_pass(scan(schema=guess), [pl.col(typed).count(), *map(_counts_of_texts, empty)])
    except PolarsError:
        doubtful = typed + empty
        texts = scan(schema={**guess, **dict.fromkeys(doubtful, pl.String)})
        counts = _one_pass(texts, list(map(_counts_of_texts, doubtful)))
    return pl.Schema({**guess, **{name: _type_of_texts(counts[name][0]) for name in doubtful}})


def _one_pass(frame, expressions):
    return frame.select(expressions).collect(engine="streaming")


def _counts_of_texts(name):
    text = pl.col(name)
    whole = text.str.contains(_WHOLE)
    return pl.struct(
        present=text.count(),
        whole=whole.sum(),
        of_64_bits=text.cast(pl.Int64, strict=False).count(),
        of_128_bits=text.cast(pl.Int128, strict=False).count(),
        numbers=(whole | text.str.contains(_FRACTION)).sum(),
        truths=text.str.contains(_TRUTH).sum(),
    ).alias(name)


def _type_of_texts(counts):
    present = counts["present"]
    if not present:
        return pl.String
    if counts["whole"] == present and counts["of_128_bits"] == present:
        return pl.Int64 if counts["of_64_bits"] == present else pl.Int128
    if counts["numbers"] == present:
        return pl.Float64
    return pl.Boolean if counts["truths"] == present else pl.String


def _in_order(objects: Iterator[dict], names) -> list[str]:
    """`names` in the order in which the objects have them; reading ends with the last new one."""
    found = {}
    for entry in objects:
        found.update(dict.fromkeys(entry))
        if len(found) >= len(names):
            break
    return [name for name in found if name in names]


def _objects_of_lines(lines):
    first = lines.head(_LINES_OF_THE_FIRST_LOOK).collect()["line"]
    yield from map(json.loads, filter(str.strip, first))
    for batch in lines.slice(_LINES_OF_THE_FIRST_LOOK).collect_batches(maintain_order=True):
        yield from map(json.loads, filter(str.strip, batch["line"]))


def _objects_of_array(text):
    decoder = json.JSONDecoder()
    position = text.index("[") + 1
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return
        entry, position = decoder.raw_decode(text, position)
        yield entry
