"""A model judged on the labelled rows of files by workers on many machines."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lastlayer._arrays import Integer, Number
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.estimators import SoftmaxClassifier
from lastlayer.estimators.labelled_rows import whole_number
from lastlayer.metrics import ClassIndex, Evaluation, EvaluationAccumulator, LabelEvaluationAccumulator
from lastlayer.ray.cluster import connected
from lastlayer.ray.given_model import given_model
from lastlayer.ray.mapped_shards import mapped, number_of_workers, shards_for
from lastlayer.tables import (
    InputError,
    NoRows,
    as_paths,
    cast_labels,
    cut_shards,
    label_array,
    labelled_table,
    nothing_weighs,
    require_files,
    weight_array,
)
from lastlayer.tables.model_rows import batches


def evaluate(
    model: SoftmaxClassifier | str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    label: str | None = None,
    weight: str | None = None,
    where: str | None = None,
    format: str | None = None,
    classwise: bool = False,
    intervals: Number | None = None,
    num_workers: Integer | None = None,
    cpus_per_worker: Integer = 1,
    address: str | None = None,
) -> Evaluation:
    """How good a model of one label a row is on files: `lastlayer.evaluate` of its probabilities, on Ray.

    Each shard is judged by itself, and the sums are added in the order of the rows: the figures do not depend on who
    answers first. They are those of the most probable class, whatever rule the model has. A machine that dies costs the
    shards that it was at, which others judge again.

    Args:
      model: a fitted SoftmaxClassifier, or the path of a saved one.
      data: files or patterns.
      label: the label column; None is that of the fit or, where the files lack it, label, labels or y.
      weight: a column of weights >= 0.
      where: an SQL condition on the rows.
      format: what the files are; None is what their first bytes or names tell.
      classwise: whether to work out the calibration error of every class too.
      intervals: None, or the confidence of bootstrap intervals, for which a few numbers of each row come here.
      num_workers: tasks at once; None is as many as the cluster has room for.
      cpus_per_worker: threads of each, and CPUs that it takes.
      address: as in `fit`.
    Returns: Evaluation.
    Raises: InputError, a ValueError, in one sentence, also for a label that the model never saw.
    """
    head = given_model(model)
    if has_many_labels(head):
        raise InputError("model: is of many labels a row, expected a SoftmaxClassifier; judge it with evaluate_labels.")
    figures = {"classes": head.classes_, "classwise": classwise, "intervals": intervals}
    found = accumulated(
        *(EvaluationAccumulator(**figures), _judged, head, data, label, weight, where, format),
        *(num_workers, cpus_per_worker, address, figures),
    )
    return found.result()


Accumulator = TypeVar("Accumulator", EvaluationAccumulator, LabelEvaluationAccumulator)


def accumulated(
    accumulator: Accumulator,
    judged: Callable[..., Accumulator | None],
    head: Any,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    label: str | None,
    weight: str | None,
    where: str | None,
    format: str | None,
    num_workers: Integer | None,
    cpus_per_worker: Integer,
    address: str | None,
    figures: dict[str, Any],
) -> Accumulator:
    """The accumulator with every shard's merged into it, in the order of the rows.

    Args:
      accumulator: without rows.
      judged: function of a shard, the head, its columns, the columns of labels and weights and `figures` to an
        accumulator like it, or None if the shard has no rows.
      head: a fitted classifier.
      data: files or patterns, as are the next eight parameters of `evaluate`.
      label: the label column.
      weight: a column of weights.
      where: an SQL condition.
      format: of the files.
      num_workers: tasks at once.
      cpus_per_worker: of each.
      address: of the cluster.
      figures: what accumulators are made with.
    Raises: InputError if no row is left, or none weighs.
    """
    cpus = whole_number(cpus_per_worker, "cpus_per_worker")
    asked = None if num_workers is None else whole_number(num_workers, "num_workers")
    paths = as_paths(data)
    require_files(paths)
    table, label, columns, _ = labelled_table(head, paths, where, format, label, weight)
    names = [*columns.names, label, *([] if weight is None else [weight])]
    with connected(address):
        workers = number_of_workers(asked, cpus)
        count = shards_for(sum(table.row_counts()), workers)
        shards = cut_shards(table, paths, names, count, format=format)
        found = False
        for part in mapped(judged, shards, workers, cpus, head, columns, label, weight, figures):
            if part is not None:
                found = True
                accumulator.merge(part)
    if not found:
        raise table.no_rows()
    if not accumulator.rows:
        raise nothing_weighs(table.name, weight)
    return accumulator


def _judged(shard, head, columns, label, weight, figures):
    """The EvaluationAccumulator of a shard, or None if it has no rows."""
    accumulator, index = EvaluationAccumulator(**figures), ClassIndex(head.classes_)
    others = [label, *([] if weight is None else [weight])]
    try:
        for frame, X, place in batches(head, shard.open(), columns, others, columns_of_output=len(head.classes_)):
            weights = None if weight is None else weight_array(frame[weight], place)
            labels = label_array(cast_labels(frame[label], index.classes), place)
            known = index.knows(labels)
            if weights is not None:
                known |= weights == 0
            if not known.all():
                row = int(known.argmin())
                raise InputError(
                    f"{place(row)}: column {label} is {labels.tolist()[row]!r}, which the model never saw, expected "
                    f"one of its {len(index.classes)} classes; leave such rows out with where."
                )
            accumulator.add(head.predict_proba(X), labels, weights)
    except NoRows:
        return None
    return accumulator
