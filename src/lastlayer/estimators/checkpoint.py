"""The checkpoint of a sampled fit: its whole state in one file, replaced after every interval."""

import hashlib
import os
from dataclasses import fields
from typing import Any

import numpy as np

from lastlayer.estimators.labelled_rows import LabelledRows
from lastlayer.solvers import SampledSoftmaxRegression, SampledState
from lastlayer.storage import UnreadableHead, encode_classes, read_head, require_writable, write_head

# What a file says that it holds, where a saved head names its estimator.
_KIND = "checkpoint of a fit"
_TENSORS = tuple(field.name for field in fields(SampledState) if field.type is not int and field.type is not float)
_NUMBERS = tuple(field.name for field in fields(SampledState) if field.name not in _TENSORS)


class Checkpoint:
    """The file `path` of one fit; a file of another fit, or of another kind, is refused and never overwritten.

    Args:
      path: of the file.
      problem: the fit.
      rows: what it is given.
      tol: when the fit ends.
    Raises: UnwritableFile if the file could not be written.
    """

    def __init__(self, path: Any, problem: SampledSoftmaxRegression, rows: LabelledRows, tol: float):
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"checkpoint: received {path!r}, expected the path of a file, or None.")
        require_writable(path)
        self._path, self._fingerprint = path, _fingerprint(problem, rows, tol)

    def read(self) -> SampledState | None:
        """The state that the file holds, or None where there is no file.

        Raises: ValueError, in one sentence, if it is no checkpoint, or that of other data or parameters.
        """
        if not os.path.lexists(self._path):
            return None
        try:
            tensors, header = read_head(self._path, _TENSORS)
            kind = header.get("estimator")
            if kind != _KIND:
                raise self._refused(f"holds a {kind}")
            for name, value in self._fingerprint.items():
                if header["fingerprint"].get(name) != value:
                    raise self._refused(f"is that of a fit with other {name}")
            return SampledState(**{name: tensors[name] for name in _TENSORS}, **header["progress"])
        except UnreadableHead as failure:
            raise self._refused(f"is no checkpoint that can be read ({_finding(failure, self._path)})") from failure
        except (KeyError, TypeError, AttributeError) as failure:
            raise self._refused(f"is no checkpoint of this version ({failure})") from failure

    def write(self, state: SampledState) -> None:
        """Replace the file, as a whole or not at all. Raises UnwritableFile if the disk does not take it."""
        write_head(
            self._path,
            {name: getattr(state, name) for name in _TENSORS},
            {
                "estimator": _KIND,
                "fingerprint": self._fingerprint,
                "progress": {name: getattr(state, name) for name in _NUMBERS},
            },
        )

    def _refused(self, found):
        return ValueError(
            f"checkpoint: {os.fspath(self._path)} {found}, expected one of this fit, or no file; pass another path, or "
            "remove the file to start anew."
        )


def _fingerprint(problem, rows, tol):
    """What decides a fit, as a dict of words to numbers and digests; max_iter only says when it ends."""
    everything = np.arange(problem.num_classes)
    expected = problem.sampler.log_expected_count_of(everything, problem.num_candidates)
    return {
        "features": [*problem.features.shape, str(problem.features.dtype), _digest(*problem.features.contents())],
        "classes": _digest(*(tensor for _, tensor in sorted(encode_classes(rows.classes).items()))),
        "labels": _digest(problem.labels),
        "weights of rows or classes": _digest(rows.weight),
        "tol": tol,
        "penalty (C)": rows.penalty,
        "fit_intercept": problem.fit_intercept,
        "standardize": rows.features.scale is not None,
        "candidates": problem.num_candidates,
        "random_state": problem.seed,
        "sampler": [type(problem.sampler).__name__, problem.sampler.distinct, _digest(expected)],
    }


def _digest(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _finding(failure, path):
    """What is said of a file that is no head, without its name and what is expected of a head."""
    return str(failure).removeprefix(f"{os.fspath(path)}: ").partition(", expected")[0]
