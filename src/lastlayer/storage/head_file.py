"""A head as one .safetensors file: tensors, a JSON header kept as one metadata string, and a digest of it all."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

import lastlayer
from lastlayer.storage.json_text import from_json, to_json
from lastlayer.storage.replacement import replacement, unwritable

# Schema 1 had no digest.
SCHEMA = 3
_KEY, _DIGEST = "lastlayer", "digest"
_KINDS = "biuf"
_REMEDY = "expected a model saved by lastlayer; save it again with model.save or lastlayer fit -o"
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, such as .npz or a PyTorch checkpoint"),
    (b"PAR1", "a parquet table"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ARROW1", "an arrow table"),
    (b"\x80", "a pickle, which lastlayer never opens"),
)


class UnreadableHead(ValueError):  # noqa: N818 - read as what it says: the head is unreadable
    """A file that is no head, or not a whole one."""


def write_head(path: str | os.PathLike[str], tensors: Mapping[str, ArrayLike], header: Mapping[str, Any]) -> None:
    """Write `tensors` and `header` to the one file `path`, as a whole or not at all.

    A process killed while it writes leaves the old file, see `replacement`. The header gains "schema", the version
    of this format, and "library_version".

    Args:
      path: the .safetensors file.
      tensors: dict of name to array: integers, floats of 16 to 64 bits (all finite) or booleans.
      header: dict of what JSON can hold; NaN and infinities are kept too, tuples become lists.
    Raises: TypeError for a tensor or a header entry of another kind; ValueError if a tensor holds NaN or an infinity;
      UnwritableFile (an OSError and ValueError) if the disk does not take it.
    """
    plain = {}
    for name, tensor in tensors.items():
        tensor = np.asarray(tensor)
        if tensor.dtype.kind not in _KINDS or tensor.dtype.itemsize > 8:
            raise TypeError(
                f"tensor {name}: dtype is {tensor.dtype}, expected integers, floats up to 64 bits or booleans."
            )
        complaint = _not_finite(name, tensor)
        if complaint:
            raise ValueError(f"{complaint}, expected finite numbers; fit the model again on finite features.")
        plain[name] = np.require(tensor, tensor.dtype.newbyteorder("="), "C")
    text = to_json({**header, "schema": SCHEMA, "library_version": lastlayer.__version__})
    with replacement(path) as beside:
        try:
            save_file(plain, beside, metadata={_KEY: text, _DIGEST: digest_of(plain, text)})
        except SafetensorError as failure:
            # The parser's library wraps what the disk said.
            raise unwritable(path, str(failure).rpartition("I/O error: ")[2]) from failure


def read_head(path: str | os.PathLike[str], known: Iterable[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the header that `write_head` put into `path`. Nothing is unpickled or executed.

    Sizes are checked against the file before memory is taken for them, and no tensor is read but the known ones. What
    was read is checked against the digest that was written with it.

    Args:
      path: a .safetensors file written by lastlayer.
      known: the names that a tensor may have; a file with another one is refused.
    Returns: (tensors, header): dict of name to array, and the dict given to `write_head` with "schema" and
      "library_version".
    Raises: UnreadableHead (a ValueError) if it is missing, cut short, changed, from another program, hostile or of a
      newer schema.
    """
    path = _existing(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            header = _header(path, metadata)
            names = list(file.keys())
            foreign = sorted(set(names) - set(known))
            if foreign:
                raise _unreadable(path, f"tensor {foreign[0]} is none that a head has")
            tensors = {name: _tensor(path, file, name) for name in names}
    except (SafetensorError, OSError) as failure:
        raise _unreadable(path, f"cut short or damaged ({failure})") from failure
    if (header["schema"] > 1 or _DIGEST in metadata) and metadata.get(_DIGEST) != digest_of(tensors, metadata[_KEY]):
        raise _unreadable(path, "damaged (it differs from the digest that was written with it)")
    return tensors, header


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header that `write_head` put into `path`, not checked against the digest. Raises: as `read_head`."""
    path = _existing(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return _header(path, file.metadata())
    except (SafetensorError, OSError) as failure:
        raise _unreadable(path, f"cut short or damaged ({failure})") from failure


def read_digest(path: str | os.PathLike[str]) -> str | None:
    """The SHA-256 digest that `write_head` put into `path`, in hexadecimal, not checked; None in a file of schema 1.

    Raises: as `read_head`.
    """
    path = _existing(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            _header(path, metadata)
            return metadata.get(_DIGEST)
    except (SafetensorError, OSError) as failure:
        raise _unreadable(path, f"cut short or damaged ({failure})") from failure


def digest_of(tensors: Mapping[str, NDArray[Any]], text: str = "") -> str:
    """SHA-256 of a header's text and of every tensor's name, dtype, shape and bytes, in hexadecimal."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, tensor.dtype.str, tensor.shape)).encode())
        digest.update(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _existing(path):
    """`path` as a Path; raises UnreadableHead with the plainest reason, before the parser speaks of offsets."""
    if "\0" in os.fspath(path):
        raise _unreadable(repr(os.fspath(path)), "no name of a file, which has no NUL")
    path = Path(path)
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
        if not stat.S_ISREG(mode):
            raise _unreadable(path, "a folder" if stat.S_ISDIR(mode) else "not a regular file")
        with path.open("rb") as file:
            start = file.read(9)
    except FileNotFoundError as failure:
        raise UnreadableHead(f"{path}: no such file, expected a model saved by lastlayer; check the path.") from failure
    except OSError as failure:
        raise _unreadable(path, f"cannot be read ({failure.strerror})") from failure
    if size == 0:
        raise _unreadable(path, "empty")
    for magic, kind in _FOREIGN:
        if len(start) == 9 and start.startswith(magic) and start[8:] != b"{":
            raise _unreadable(path, kind)
    if size >= 9 and start[8:] != b"{":
        raise _unreadable(path, "not a safetensors file")
    declared = 8 + int.from_bytes(start[:8], "little")
    if size < 9 or declared > size:
        claim = f", and its header claims {declared:,}" if size >= 8 else ""
        raise _unreadable(path, f"cut short or damaged: it has {size:,} bytes{claim}")
    return path


def _header(path, metadata):
    if not metadata or _KEY not in metadata:
        raise _unreadable(path, "a safetensors file of another program")
    try:
        header = from_json(metadata[_KEY])
    except (ValueError, RecursionError) as failure:
        raise _unreadable(path, "damaged (its header is not JSON)") from failure
    schema = header.get("schema") if isinstance(header, dict) else None
    version = header.get("library_version") if isinstance(header, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1 or not isinstance(version, str):
        raise _unreadable(path, "damaged (its header names no schema)")
    if schema > SCHEMA:
        raise UnreadableHead(
            f"{path}: written by lastlayer {version} in schema {schema}, expected at most {SCHEMA}, "
            f"the newest that lastlayer {lastlayer.__version__} reads; upgrade lastlayer."
        )
    return header


def _tensor(path, file, name):
    try:
        tensor = file.get_tensor(name)
    except (TypeError, AttributeError) as failure:
        # NumPy has no bfloat16 and no 8-bit floats.
        raise _unreadable(path, f"tensor {name} has a dtype that NumPy has not") from failure
    except ValueError as failure:
        raise _unreadable(path, f"tensor {name} is no array ({failure})") from failure
    if tensor.dtype.kind not in _KINDS:
        raise _unreadable(path, f"tensor {name} has dtype {tensor.dtype}")
    if tensor.dtype == bool and tensor.size and tensor.view(np.uint8).max() > 1:
        raise _unreadable(path, f"tensor {name} holds booleans other than 0 and 1")
    complaint = _not_finite(name, tensor)
    if complaint:
        raise _unreadable(path, complaint)
    return tensor


def _not_finite(name, tensor):
    if tensor.dtype.kind != "f" or np.isfinite(tensor).all():
        return None
    index = tuple(map(int, np.argwhere(~np.isfinite(tensor))[0]))
    return f"tensor {name} holds {tensor[index]} at {index}"


def _unreadable(path, found):
    return UnreadableHead(f"{os.fspath(path)}: {found}, {_REMEDY}.")
