"""A model judged on the labelled rows of files by workers on many machines."""

import os
from collections.abc import Sequence
from functools import partial

from lastlayer._arrays import Integer, Number
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.estimators import SoftmaxClassifier
from lastlayer.metrics import ClassIndex, Evaluation, EvaluationAccumulator
from lastlayer.ray.given_model import given_model
from lastlayer.ray.judged_shards import LabelledFiles, accumulated
from lastlayer.tables import InputError, cast_labels, label_array


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
    make = partial(EvaluationAccumulator, classes=head.classes_, classwise=classwise, intervals=intervals)
    files = LabelledFiles(data, label, weight, where, format)
    return accumulated(make, _judge, head, files, num_workers, cpus_per_worker, address).result()


def _judge(head):
    index = ClassIndex(head.classes_)

    def add(accumulator, X, column, weights, place):
        labels = label_array(cast_labels(column, index.classes), place)
        known = index.knows(labels)
        if weights is not None:
            known |= weights == 0
        if not known.all():
            row = int(known.argmin())
            raise InputError(
                f"{place(row)}: column {column.name} is {labels.tolist()[row]!r}, which the model never saw, expected "
                f"one of its {len(index.classes)} classes; leave such rows out with where."
            )
        accumulator.add(head.predict_proba(X), labels, weights)

    return add
