"""What kind of table a file is: what the caller says, else its first bytes, else its name."""

import zlib
from pathlib import Path

from lastlayer.tables.input_error import InputError

KINDS = ("parquet", "arrow", "csv", "tsv", "jsonl", "json", "npy", "npz")

# Of names, in small letters.
SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".npy": "npy",
    ".npz": "npz",
}
_MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow stream",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"PK\x05\x06": "npz",  # of no arrays
}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_COMPRESSED_SUFFIXES = (".gz", ".zst")
_TEXT = ("csv", "tsv", "jsonl", "json")

# How many of a file's first bytes tell its kind.
START = 4096


def compression(start: bytes) -> str | None:
    """What a file is compressed with, gzip or zstd, if its first bytes say so."""
    return next((kind for magic, kind in _COMPRESSED.items() if start.startswith(magic)), None)


def kind_of(name: str, start: bytes, *, kind: str | None = None, text: str | None = None) -> str:
    """The kind of a file: one of KINDS, or "arrow stream".

    The first bytes of binary kinds go before the name: a parquet file called data.csv is a parquet file. Compressed
    text is of the kind of the text.

    Args:
      name: of the file; its suffix tells the kind of text.
      start: its first bytes, START at most.
      kind: one of KINDS that the caller knows it to be; "json" may also be lines of objects.
      text: the kind of text where neither its name nor its first character tell; None refuses it.
    Raises: InputError if it is empty or of no known kind.
    """
    if not start:
        raise InputError(f"{name}: empty, expected a table; check what wrote it.")
    compressed = compression(start)
    path = Path(name)
    if compressed == "gzip":
        start = _unpacked(name, start)
    if compressed and path.suffix.lower() in _COMPRESSED_SUFFIXES:
        path = path.with_suffix("")
    magic = _binary(start)
    found = kind or magic or SUFFIXES.get(path.suffix.lower())
    if found == "arrow" and magic == "arrow stream":
        found = magic
    first = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] if compressed != "zstd" else b""
    if first in (b"{", b"[") and (kind == "json" or (kind is None and found in (None, "json", "jsonl"))):
        found = "jsonl" if first == b"{" else "json"
    found = found or (text if compressed != "zstd" else None)
    if found is None:
        raise InputError(
            f"{name}: of no known kind, expected parquet, arrow, csv, tsv, jsonl, json, npy or npz; say which with "
            "--format, or rename it."
        )
    if compressed and found not in ("csv", "tsv", "jsonl"):
        raise InputError(
            f"{name}: a {found} file inside {compressed}, expected csv, tsv or jsonl there; unpack it first."
        )
    if found in _TEXT and not start.strip():
        raise InputError(f"{name}: empty, expected a table of csv, jsonl or parquet; check what wrote it.")
    return found


def _binary(start):
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    # A csv file may begin with a column called PAR1; in a parquet file no text follows.
    if kind == "parquet" and start[4:5] in (b",", b"\t", b";", b"\r", b"\n", b"_", b'"'):
        return None
    return kind


def _unpacked(name, start):
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, START)
    except zlib.error as failure:
        raise InputError(f"{name}: damaged gzip ({failure}), expected a whole file; write it again.") from failure
