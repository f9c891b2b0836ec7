"""A file that keeps the state of one fit, and is refused for any other."""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.storage import UnreadableHead, read_head, require_writable, write_head

# What a file says that it holds, where a saved head names its estimator.
_KIND = "checkpoint of a fit"
# What two sums of the same numbers may differ by, as a share, that were added in another order.
_ROUNDING = 1e-9


class CheckpointFile:
    """The file `path` of one fit; a file of another fit, or of another kind, is refused and never overwritten.

    Args:
      path: of the file.
      fingerprint: what decides the fit, as a dict of words to what JSON can hold; floats may differ by rounding.
    Raises: UnwritableFile if the file could not be written; TypeError if `path` is none.
    """

    def __init__(self, path: Any, fingerprint: Mapping[str, Any]):
        require_checkpoint(path)
        self._path, self._fingerprint = path, fingerprint

    def read(self, tensors: Iterable[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """The tensors of these names and the numbers that the file holds, or None where there is no file.

        Raises: ValueError, in one sentence, if it is no checkpoint, or that of other data or parameters.
        """
        if not os.path.lexists(self._path):
            return None
        try:
            found, header = read_head(self._path, tensors)
            kind = header.get("estimator")
            if kind != _KIND:
                raise self._refused(f"holds a {kind}")
            for name, value in self._fingerprint.items():
                if not _alike(header["fingerprint"].get(name), value):
                    raise self._refused(f"is that of a fit with other {name}")
            return {name: found[name] for name in tensors}, header["progress"]
        except UnreadableHead as failure:
            raise self._refused(f"is no checkpoint that can be read ({_finding(failure, self._path)})") from failure
        except (KeyError, TypeError, AttributeError) as failure:
            raise self.of_another_version(failure) from failure

    def write(self, tensors: Mapping[str, ArrayLike], progress: Mapping[str, Any]) -> None:
        """Replace the file, as a whole or not at all. Raises UnwritableFile if the disk does not take it."""
        write_head(
            self._path, tensors, {"estimator": _KIND, "fingerprint": self._fingerprint, "progress": dict(progress)}
        )

    def of_another_version(self, failure: BaseException) -> ValueError:
        """The error for a file that lacks what `failure` names."""
        return self._refused(f"is no checkpoint of this version ({failure})")

    def _refused(self, found):
        return ValueError(
            f"checkpoint: {os.fspath(self._path)} {found}, expected one of this fit, or no file; pass another path, or "
            "remove the file to start anew."
        )


def require_checkpoint(path: object) -> None:
    """Raise UnwritableFile if a checkpoint could not be written to `path`, or TypeError if that is none."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"checkpoint: received {path!r}, expected the path of a file, or None.")
    require_writable(path)


def digest_of(*arrays: NDArray[Any]) -> str:
    """What stands for arrays in a fingerprint: a digest of their bytes, one after another."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _alike(one, other):
    """Whether two entries of fingerprints are the same, but for the rounding of floats in them."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_ROUNDING)
    return one == other


def _finding(failure, path):
    """What is said of a file that is no head, without its name and what is expected of a head."""
    return str(failure).removeprefix(f"{os.fspath(path)}: ").partition(", expected")[0]
