"""Names of columns for a shell that completes a command line: those of the first file that the line names."""

import contextlib
import csv
import gzip
import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_LONGEST_LINE = 1 << 20


def complete_column(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A click callback: the columns whose names go on from `incomplete`, or from what follows its last comma.

    Reads names only, and says nothing of files that it cannot read.
    """
    before, comma, begun = incomplete.rpartition(",") if parameter.multiple else ("", "", incomplete)
    given = set(before.split(","))
    return [
        CompletionItem(f"{before}{comma}{name}")
        # Click stops parsing at an option that still lacks its value, and leaves the arguments where they are.
        for name in _names(context.params.get("data") or context.params.get("files") or context.args)
        # A line of a shell's list holds one name.
        if name.startswith(begun) and name.isprintable() and name not in given
    ]


def _names(files):
    for file in map(Path, files):
        # A column is asked of a half-typed line: whatever is wrong with the file is said when the line is run.
        with contextlib.suppress(Exception):
            if file.is_file() and (names := column_names(file)):
                return names
    return []


def column_names(path: Path) -> list[str]:
    """The names of the columns of a file, as a list, from as little of it as tells them.

    Raises: whatever its reader raises if it is no table.
    """
    suffixes = path.suffixes[-2:]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.readline(_LONGEST_LINE)
    if start[:4] in (b"PAR1", b"ARRO", b"\x93NUM", b"PK\x03\x04"):
        return _of_binary_file(path, start[:4])
    if b"\0" in start:
        raise ValueError(f"{path}: no text")
    line = start.decode("utf-8-sig")
    if line.lstrip().startswith("{"):
        return list(json.loads(line))
    return next(csv.reader([line], delimiter="\t" if ".tsv" in suffixes else ","))


def _of_binary_file(path, magic):
    if magic == b"\x93NUM":
        return [path.stem]
    if magic == b"PK\x03\x04":
        import zipfile

        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    import polars as pl

    return list((pl.read_parquet_schema if magic == b"PAR1" else pl.read_ipc_schema)(path))
