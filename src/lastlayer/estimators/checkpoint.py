"""The checkpoint of a sampled fit: its whole state in one file, replaced after every interval."""

from dataclasses import fields
from typing import Any

import numpy as np

from lastlayer.estimators.checkpoint_file import CheckpointFile, digest_of
from lastlayer.estimators.labelled_rows import LabelledRows
from lastlayer.solvers import SampledSoftmaxRegression, SampledState
from lastlayer.storage import encode_classes

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
        self._file = CheckpointFile(path, _fingerprint(problem, rows, tol))

    def read(self) -> SampledState | None:
        """The state that the file holds, or None where there is no file.

        Raises: ValueError, in one sentence, if it is no checkpoint, or that of other data or parameters.
        """
        found = self._file.read(_TENSORS)
        if found is None:
            return None
        try:
            return SampledState(**found[0], **found[1])
        except TypeError as failure:
            raise self._file.of_another_version(failure) from failure

    def write(self, state: SampledState) -> None:
        """Replace the file, as a whole or not at all. Raises UnwritableFile if the disk does not take it."""
        self._file.write(
            {name: getattr(state, name) for name in _TENSORS}, {name: getattr(state, name) for name in _NUMBERS}
        )


def _fingerprint(problem, rows, tol):
    """What decides a fit, as a dict of words to numbers and digests; max_iter only says when it ends."""
    everything = np.arange(problem.num_classes)
    expected = problem.sampler.log_expected_count_of(everything, problem.num_candidates)
    return {
        "features": [*problem.features.shape, str(problem.features.dtype), digest_of(*problem.features.contents())],
        "classes": digest_of(*(tensor for _, tensor in sorted(encode_classes(rows.classes).items()))),
        "labels": digest_of(problem.labels),
        "weights of rows or classes": digest_of(rows.weight),
        "tol": tol,
        "penalty (C)": rows.penalty,
        "fit_intercept": problem.fit_intercept,
        "standardize": rows.features.scale is not None,
        "candidates": problem.num_candidates,
        "random_state": problem.seed,
        "sampler": [type(problem.sampler).__name__, problem.sampler.distinct, digest_of(expected)],
    }
