"""What every fit on files begins with: what is read, who reads it, and what the rows turn out to be."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from lastlayer._progress_line import ProgressLine
from lastlayer.estimators import Training
from lastlayer.estimators.labelled_rows import whole_number
from lastlayer.ray.cluster import connected
from lastlayer.ray.merged_shards import MergedShards, merged
from lastlayer.ray.places import cpus_for, require_room, room_for
from lastlayer.ray.shard_worker import FitColumns
from lastlayer.ray.workers import Workers, started_workers
from lastlayer.tables import (
    Shard,
    Table,
    choose_features,
    cut_shards,
    label_column,
    open_table,
    paths_for_workers,
    require_weight,
)


class FitFiles(NamedTuple):
    """What a fit reads: the rows of a table, of these columns. format: of all files, or None."""

    table: Table
    columns: FitColumns
    format: str | None


class Resources(NamedTuple):
    """Who works on a fit; as the parameters of `fit`, checked."""

    num_workers: int | None
    cpus_per_worker: int | None
    spool: str | None
    address: str | None


class ReadShards(NamedTuple):
    """Workers that have read their shards, all the shards there were, and their rows put together."""

    workers: Workers
    shards: list[Shard]
    rows: MergedShards


def files_of_fit(
    data: Any,
    label: str | None,
    features: str | Sequence[str] | None,
    weight: str | None,
    where: str | None,
    format: str | None,
    *,
    many: bool,
) -> FitFiles:
    """The FitFiles that `fit` and `fit_labels` are asked for, by parameters as theirs.

    Raises: InputError if a file cannot be read, or has no such columns.
    """
    paths = paths_for_workers(data)
    for name, column in (("labels" if many else "label", label), ("weight", weight), ("where", where)):
        if column is not None and not isinstance(column, str):
            raise TypeError(f"{name}: received {column!r}, expected text, or None.")
    patterns = () if features is None else [features] if isinstance(features, str) else features
    if not isinstance(patterns, list | tuple) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(
            f"features: received {features!r}, expected the name of a column, a pattern, or a list of them."
        )
    table = open_table(paths, wanted=[*patterns, *([] if label is None else [label])], format=format)
    label = label_column(table, label)
    require_weight(table, weight, label)
    table = table.as_written([] if many else [label]).filtered(where)
    columns = FitColumns(choose_features(table, patterns, label, weight=weight), label, weight, many)
    return FitFiles(table, columns, format)


def checked_resources(num_workers: Any, cpus_per_worker: Any, spool: Any, address: str | None) -> Resources:
    """The Resources that `fit` is asked for. Raises ValueError for counts below 1."""
    return Resources(
        None if num_workers is None else whole_number(num_workers, "num_workers"),
        None if cpus_per_worker is None else whole_number(cpus_per_worker, "cpus_per_worker"),
        None if spool is None else os.fspath(spool),
        address,
    )


@contextmanager
def workers_that_have_read(
    files: FitFiles, resources: Resources, progress: ProgressLine | None
) -> Iterator[ReadShards]:
    """Within: ReadShards, of which those without rows are gone. No worker is left behind.

    Raises: InputError for what is wrong with the files, the address or the room in the cluster.
    """
    with connected(resources.address):
        cpus = cpus_for(resources.num_workers) if resources.cpus_per_worker is None else resources.cpus_per_worker
        count = max(1, room_for(cpus)) if resources.num_workers is None else resources.num_workers
        require_room(count, cpus)
        shards = cut_shards(files.table, files.columns.names(), count, format=files.format)
        with started_workers(shards, files.columns, cpus, resources.spool) as workers:
            summaries = workers.read(None if progress is None else _reading(progress, len(shards)))
            rows = merged(summaries, files.table, files.columns)
            workers.keep(rows.which)
            yield ReadShards(workers, shards, rows)


def remember_rows(model: Any, columns: FitColumns, rows: MergedShards) -> None:
    """Let a fitted model know its rows and columns."""
    model.n_features_in_ = rows.width
    is_list = columns.features.is_list
    if not is_list:
        model.feature_names_in_ = np.array(columns.features.names, dtype=object)
    model.training_ = Training(
        rows=rows.rows, label=columns.label, features=columns.features.names[0] if is_list else None
    )


def slowest_in_words(workers: Workers) -> str:
    """Who keeps the others waiting, for a progress line."""
    worker, seconds, median = workers.slowest()
    replaced = f"  {workers.replaced} replaced" if workers.replaced else ""
    return f"slowest worker {worker}: {seconds:.2f} s, median {median:.2f} s{replaced}"


def _reading(progress, count):
    workers = "1 worker" if count == 1 else f"{count} workers"
    return lambda read, total: progress.show(f"{read:,} of {total:,} rows read by {workers}")
