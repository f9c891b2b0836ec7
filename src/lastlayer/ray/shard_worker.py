"""What a worker does: it owns a shard, holds its rows as arrays, and answers the solver's questions about them."""

import os
import platform
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import ray
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lastlayer._available_memory import available_memory, taken_memory
from lastlayer._memory import memory_allowance
from lastlayer.ray.rehearsal import rehearse
from lastlayer.ray.shard_rows import FitSetting, RowsOfManyLabels, RowsOfOneLabel, ShardRows
from lastlayer.ray.sums import added
from lastlayer.solvers import MomentsOfRows
from lastlayer.tables import (
    FeatureColumns,
    InputError,
    NoRows,
    NothingWeighs,
    Shard,
    Storage,
    Table,
    choose_spool,
    left_to_the_solver,
    rows_of,
    weight_array,
)
from lastlayer.tables.bytes_in_memory import feature_types
from lastlayer.tables.feature_matrix import matrix_type


class FitColumns(NamedTuple):
    """Which columns a fit reads: features, labels, and weights unless None; `many` labels a row are lists."""

    features: FeatureColumns
    label: str
    weight: str | None
    many: bool = False

    def names(self) -> list[str]:
        """All of them."""
        return list(dict.fromkeys([*self.features.names, self.label, *([] if self.weight is None else [self.weight])]))


class ShardSummary(NamedTuple):
    """What a worker tells of the rows of its shard that weigh.

    rows: how many. width: how many features. dtype: of these. classes: (k,) sorted labels. counts: (k,) rows of each.
    weights: (k,) their summed weight. weight: of all rows. place: where its first row stands.
    """

    rows: int
    width: int
    dtype: str
    classes: NDArray[Any]
    counts: NDArray[np.int64]
    weights: NDArray[np.float64]
    weight: float
    place: str


class ShardWorker:
    """Becomes an actor of Ray. Every question of a fit has a number: asked again, it is answered as before.

    Features that its share of the machine's free memory has no room for are on a disk of that machine.

    Args:
      threads: how many to compute on.
      spool: the folder for features on a disk; None is the usual one.
    """

    def __init__(self, threads: int, spool: str | None):
        # Blocks of rows are spread over these threads; the BLAS and Polars would start as many again.
        os.environ["LASTLAYER_NUM_THREADS"] = os.environ["POLARS_MAX_THREADS"] = str(threads)
        self._limit = threadpool_limits(1, "blas")
        # Its threads are all that is known of how many share the machine.
        share = min(1.0, threads / (os.cpu_count() or 1))
        self._storage = Storage(taken_memory() + share * available_memory() / 2, folder=spool, quiet=True)
        self._rows: ShardRows | None = None
        self._part: Any = None
        self._kept: tuple[int | None, Any, float] = None, None, 0.0

    def host(self) -> tuple[str, int]:
        """The name of its machine, and its process there."""
        return platform.node(), os.getpid()

    def read(self, shard: Shard, columns: FitColumns) -> ShardSummary | None:
        """Read the shard; None if no row of it is kept and weighs. Raises InputError for what is wrong with a row."""
        table = shard.open()
        try:
            # The answer depends on no worker's memory: a disk holds what memory would.
            dtypes, _ = feature_types(table, columns.features)
            dtype = "float32" if matrix_type(dtypes) == pl.Float32 else "float64"
            choice = choose_spool(table, columns.features, replace(self._storage, dtype=dtype), splits=False)
            X, labels, weight = rows_of(
                table, columns.features, columns.label, columns.weight, many=columns.many, choice=choice
            )
        except NoRows:
            return None
        except NothingWeighs:
            _require_rows(shard, len(_weighing_rows(table, columns)))
            return None
        if columns.weight is None or weight is None:
            weight, weighs = np.ones(len(X)), np.ones(len(X), bool)
        else:
            # A spool has left out the rows of weight 0.
            weighs = weight > 0 if choice is None else _weighing_rows(table, columns)
        _require_rows(shard, len(weighs))
        if len(X) not in (len(weighs), np.count_nonzero(weighs)):
            raise _changed(shard, len(X), np.count_nonzero(weighs))
        if not weighs.any():
            return None
        if len(X) == len(weighs) and not weighs.all():
            X, labels, weight = X[weighs], labels[weighs], weight[weighs]
        rows = self._rows = (RowsOfManyLabels if columns.many else RowsOfOneLabel)(X, labels, weight)
        of_classes, place = (rows.classes, rows.counts, rows.weights), table.place(int(weighs.argmax()))
        return ShardSummary(len(X), X.shape[1], str(X.dtype), *of_classes, float(weight.sum()), place)

    def moments(self, total: float, *about: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What its rows add to the first `Moments`, or to the second `about` a mean; `total` is all rows' weight."""
        rows = self._read_rows()
        moments = MomentsOfRows(rows.features, rows.weight / total)
        return moments.second(*about) if about else moments.first()

    def hold(self, setting: FitSetting) -> None:
        """Get ready for questions about the rows in a fit."""
        rows, self._rows = self._read_rows(), None
        rehearse(setting.dtype, many=isinstance(rows, RowsOfManyLabels))
        with memory_allowance(left_to_the_solver(self._storage.memory, len(rows.weight))):
            self._part = rows.part(setting)

    def _read_rows(self):
        if self._rows is None:
            raise RuntimeError("worker: its rows are not read yet, or the solver holds them.")
        return self._rows

    @ray.method(num_returns=2)
    def answer(self, number: int | None, question: str, *arguments: Any) -> tuple[Any, float]:
        """What the part of the rows answers to a question, and the seconds that it took; None is kept by no number."""
        kept, found, seconds = self._kept
        if number is not None and number == kept:
            return found, seconds
        self._kept = None, None, 0.0
        begin = time.perf_counter()
        # What Ray hands over is in memory that it shares, and not to be written to.
        found = getattr(self._part, question)(*(np.array(a) if isinstance(a, np.ndarray) else a for a in arguments))
        seconds = time.perf_counter() - begin
        if number is not None:
            self._kept = number, found, seconds
        return found, seconds

    def add(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """The sums of two answers, in float64."""
        return added(left, right)


def _weighing_rows(table: Table, columns: FitColumns) -> NDArray[np.bool_]:
    """(N,) which rows weigh, of a table with a column of weights."""
    name = str(columns.weight)
    return weight_array(table.collect([name])[name], table.place) > 0


def _require_rows(shard, found):
    """Raise InputError if the files have other rows than when the shard was cut, as far as a condition lets it show."""
    if shard.where is None and found != shard.rows:
        raise _changed(shard, found, shard.rows)


def _changed(shard, found, counted):
    return InputError(
        f"{shard.name}: {found} rows where {counted} were counted, expected files that do not change; check that "
        f"{platform.node()} sees the same files."
    )
