"""The labelled rows of files judged shard by shard: an accumulator of each, merged in the order of the rows."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from lastlayer._arrays import Integer
from lastlayer.estimators.labelled_rows import whole_number
from lastlayer.metrics import EvaluationAccumulator, LabelEvaluationAccumulator
from lastlayer.ray.cluster import connected
from lastlayer.ray.mapped_shards import mapped, number_of_workers, shards_for
from lastlayer.tables import (
    NoRows,
    cut_shards,
    labelled_table,
    nothing_weighs,
    paths_for_workers,
    weight_array,
)
from lastlayer.tables.model_rows import batches

Accumulator = TypeVar("Accumulator", EvaluationAccumulator, LabelEvaluationAccumulator)


class LabelledFiles(NamedTuple):
    """Files or patterns, their columns of labels and of weights, the condition on their rows and what they are."""

    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    label: str | None
    weight: str | None
    where: str | None
    format: str | None


def accumulated(
    make: Callable[[], Accumulator],
    judge: Callable[[Any], Callable[..., None]],
    head: Any,
    files: LabelledFiles,
    num_workers: Integer | None,
    cpus_per_worker: Integer,
    address: str | None,
) -> Accumulator:
    """The accumulator of all rows.

    Args:
      make: makes an accumulator without rows.
      judge: function of a head to a function that adds rows: of an accumulator, their features, the column of their
        labels, their weights or None, and a function of a row's number to where it stands.
      head: a fitted classifier.
      files: LabelledFiles.
      num_workers: tasks at once; None is as many as the cluster has room for.
      cpus_per_worker: of each.
      address: of the cluster.
    Raises: InputError if no row is left, or none weighs.
    """
    # What is wrong with its arguments is told before anything starts.
    whole, found = make(), False
    cpus = whole_number(cpus_per_worker, "cpus_per_worker")
    asked = None if num_workers is None else whole_number(num_workers, "num_workers")
    paths, weight = paths_for_workers(files.data), files.weight
    table, label, columns, _ = labelled_table(head, paths, files.where, files.format, files.label, weight)
    names = [*columns.names, label, *([] if weight is None else [weight])]
    with connected(address):
        workers = number_of_workers(asked, cpus)
        shards = cut_shards(table, names, shards_for(sum(table.row_counts()), workers), format=files.format)
        for part in mapped(_judged, shards, workers, cpus, make, judge, head, columns, label, weight):
            if part is not None:
                found = True
                whole.merge(part)
    if not found:
        raise table.no_rows()
    if not whole.rows:
        raise nothing_weighs(table.name, weight)
    return whole


def _judged(shard, make, judge, head, columns, label, weight):
    """The accumulator of a shard, or None if it has no rows."""
    accumulator, add = make(), judge(head)
    others = [label, *([] if weight is None else [weight])]
    try:
        for frame, X, place in batches(head, shard.open(), columns, others, columns_of_output=len(head.classes_)):
            weights = None if weight is None else weight_array(frame[weight], place)
            add(accumulator, X, frame[label], weights, place)
    except NoRows:
        return None
    return accumulator
