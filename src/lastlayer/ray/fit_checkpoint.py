"""The checkpoint of a fit on many machines: where its solver stands, in one file that is replaced as it goes."""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lastlayer.estimators.checkpoint_file import CheckpointFile, digest_of
from lastlayer.estimators.label_optima import as_columns, from_columns
from lastlayer.ray.merged_shards import MergedShards
from lastlayer.ray.shard_worker import FitColumns
from lastlayer.solvers import SearchState, SigmoidHead
from lastlayer.storage import UnwritableFile, encode_classes
from lastlayer.tables import Shard
from lastlayer.tables.addresses import is_address

# What is said of an interrupted fit.
GOES_ON = "with checkpoint=PATH the same call goes on from where it was"
# A file is replaced after this many times the seconds that it took to write the one before.
_PAUSE = 20.0


class CheckpointWarning(UserWarning):
    """A checkpoint could not be replaced: the fit goes on, and what stood in the file stays."""


State = TypeVar("State")


class FitCheckpoint(Generic[State]):
    """The file of one fit; a file of another fit is refused and never overwritten. It stays when the fit has ended.

    Args:
      path: of the file.
      fingerprint: what decides the fit; see `fingerprint_of`.
      form: how what a solver keeps becomes tensors and numbers.
    Raises: UnwritableFile if the file could not be written.
    """

    def __init__(self, path: Any, fingerprint: dict[str, Any], form: "Form[State]"):
        self._file, self._form = CheckpointFile(path, fingerprint), form
        self._written, self._seconds, self._warned = 0.0, 0.0, False

    def read(self) -> State | None:
        """Where the fit stood, or None where there is no file.

        Raises: ValueError, in one sentence, if it is no checkpoint, or that of other data or parameters.
        """
        found = self._file.read(self._form.tensors)
        if found is None:
            return None
        try:
            return self._form.state(*found)
        except (KeyError, TypeError, ValueError) as failure:
            raise self._file.of_another_version(failure) from failure

    def keep(self, state: State) -> None:
        """Write the state, unless that would take more than a few percent of the time of the fit."""
        self.keep_made(lambda: state)

    def keep_made(self, make: Callable[[], State]) -> None:
        """Write the state that `make` makes, where `keep` would."""
        if time.monotonic() - self._written >= _PAUSE * self._seconds:
            self.write(make())

    def write(self, state: State) -> None:
        """Replace the file.

        Hours of work are not lost for a full disk: that is told once, in a CheckpointWarning, and tried again.
        """
        begin = time.monotonic()
        try:
            self._file.write(*self._form.written(state))
        except UnwritableFile as failure:
            if not self._warned:
                warnings.warn(f"{failure} The fit goes on.", CheckpointWarning, stacklevel=2)
            self._warned = True
        self._written = time.monotonic()
        self._seconds = self._written - begin


class Form(Protocol[State]):
    """How what a solver keeps is written. tensors: the names of these."""

    tensors: tuple[str, ...]

    def written(self, state: State) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Tensors, and numbers that JSON can hold."""
        raise NotImplementedError

    def state(self, tensors: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> State:
        """The state that was written."""
        raise NotImplementedError


class SearchForm:
    """Form of the state of `minimise`: the head and the last steps."""

    tensors: tuple[str, ...] = "weight", "intercept", "steps", "changes"

    def written(self, state: SearchState) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """See `Form`."""
        size = state.weight.size + state.intercept.size
        steps, changes = (
            np.array([pair[k] for pair in state.steps], state.weight.dtype).reshape(len(state.steps), -1)
            if state.steps
            else np.empty((0, size), state.weight.dtype)
            for k in (0, 1)
        )
        tensors = {"weight": state.weight, "intercept": state.intercept, "steps": steps, "changes": changes}
        return tensors, {"iterations": state.iterations}

    def state(self, tensors: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> SearchState:
        """See `Form`."""
        pairs = tuple(zip(tensors["steps"], tensors["changes"], strict=True))
        return SearchState(tensors["weight"], tensors["intercept"], pairs, int(numbers["iterations"]))


class LabelForm:
    """Form of the state of `minimise_labels`: heads, and what is known of those that have ended.

    Args:
      limits: tol and max_iter, which say when a label has ended; after others all of them are fitted anew.
    """

    tensors: tuple[str, ...] = "weight", "intercept"

    def __init__(self, *limits: float):
        self._limits = list(limits)

    def written(self, state: SigmoidHead) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """See `Form`."""
        tensors = {"weight": state.weight, "intercept": state.intercept}
        return tensors, {"limits": self._limits, "optima": as_columns(state.optima)}

    def state(self, tensors: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> SigmoidHead:
        """See `Form`."""
        optima = from_columns(numbers["optima"])
        if numbers["limits"] != self._limits:
            optima = [replace(optimum, stopped="interrupted") for optimum in optima]
        return SigmoidHead(tensors["weight"], tensors["intercept"], optima)


def require_own(path: object, tensors: Sequence[str]) -> None:
    """Raise before a fit if `path` cannot be written, or is there without a checkpoint's tensors; as CheckpointFile."""
    CheckpointFile(path, {}).read(tensors)


def fingerprint_of(
    shards: Sequence[Shard],
    columns: FitColumns,
    rows: MergedShards,
    where: str | None,
    weights: NDArray[np.float64],
    **parameters: Any,
) -> dict[str, Any]:
    """What decides a fit, as a dict of words to numbers and digests; how many workers there are does not.

    Args:
      shards: all of them.
      columns: what is read.
      rows: what the shards told.
      where: the condition on the rows.
      weights: (K,) of all rows of each class; added in another order where the rows are cut elsewhere.
      parameters: by name, numbers that decide the fit.
    """
    paths = sorted({path for shard in shards for piece in shard.pieces for path in piece.paths})
    classes = [tensor for _, tensor in sorted(encode_classes(rows.classes).items())]
    return {
        "files": [[os.path.basename(path), None if is_address(path) else os.path.getsize(path)] for path in paths],
        "columns": [list(columns.features.names), columns.label, columns.weight],
        "where": where,
        "rows": [rows.rows, rows.width, rows.dtype],
        "classes": digest_of(*classes),
        "labels": digest_of(rows.counts),
        "weights": [float(weights.sum()), float(weights @ _factors(len(weights)))],
        **parameters,
    }


def _factors(count):
    """(count,) numbers from 0.5 to 1.5, always the same: in a sum with them any other weights give another number."""
    return 0.5 + np.random.default_rng(0).random(count)
