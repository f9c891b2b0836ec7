"""Files in object stores, by their addresses: s3://bucket/rows/*.parquet and the like, which Polars reads.

Credentials are those that the machine has: environment variables such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL, and
the files and services that Polars looks at (https://docs.pola.rs/user-guide/io/cloud-storage/).
"""

import glob
import os
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import polars as pl

from lastlayer.tables.file_kinds import SUFFIXES
from lastlayer.tables.input_error import InputError
from lastlayer.tables.reading import reading

_STORES = ("s3", "s3a", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss")
_SCANS: dict[str, Callable[..., pl.LazyFrame]] = {
    "parquet": pl.scan_parquet,
    "arrow": pl.scan_ipc,
    "csv": pl.scan_csv,
    "tsv": pl.scan_csv,
    "jsonl": pl.scan_ndjson,
}
# A column of this name says which file a row is of.
_FILE = "__lastlayer_file__"


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether `path` names an object of a store. A local file of such a name goes first."""
    scheme, separator, _ = os.fspath(path).partition("://")
    return bool(separator) and scheme.lower() in _STORES and not os.path.exists(path)


def local_path(path: str | os.PathLike[str]) -> str:
    """`path`, or what is behind file:// in it; a local file that is called so goes first."""
    text = os.fspath(path)
    if not text.startswith("file://") or os.path.exists(text):
        return text
    return unquote(text.removeprefix("file://"))


def kind_of_address(address: str, kind: str | None) -> str:
    """The kind of the object, of those that are scanned where they lie: `kind`, or else what its name says.

    Raises: InputError if it is another.
    """
    found = kind or SUFFIXES.get(PurePosixPath(address).suffix.lower())
    if found not in _SCANS:
        raise InputError(
            f"{address}: of no kind that is read from a store, expected parquet, arrow, csv, tsv or jsonl; say which "
            "with --format, or copy it to this machine."
        )
    return found


def addresses_of(address: str, kind: str | None) -> list[str]:
    """The address, or in their order those that match it as a pattern.

    Of parquet and arrow no more than the ends of the files are read for it, of text all.

    Raises: InputError if none does, or the store cannot be reached.
    """
    if not glob.has_magic(address):
        return [address]
    options: dict[str, Any] = {"include_file_paths": _FILE}
    kind = kind_of_address(address, kind)
    if kind in ("csv", "tsv"):
        options |= {"infer_schema": False, "has_header": False, "truncate_ragged_lines": True, "quote_char": None}
    with reading(address, "check the address, and the credentials of this machine"):
        files = _SCANS[kind](address, **options).select(pl.col(_FILE).unique()).collect(engine="streaming")
    return sorted(files[_FILE].to_list())
