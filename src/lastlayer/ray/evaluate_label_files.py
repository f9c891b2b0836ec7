"""A model of many labels a row judged on files by workers on many machines."""

import os
from collections.abc import Sequence
from functools import partial

from lastlayer._arrays import Integer, Number
from lastlayer.decision import Thresholds
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.estimators import SigmoidClassifier, answers_of
from lastlayer.metrics import LabelEvaluation, LabelEvaluationAccumulator
from lastlayer.ray.given_model import given_model
from lastlayer.ray.judged_shards import LabelledFiles, accumulated
from lastlayer.tables import InputError, label_lists, require_known_labels


def evaluate_labels(
    model: SigmoidClassifier | str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    labels: str | None = None,
    weight: str | None = None,
    where: str | None = None,
    format: str | None = None,
    intervals: Number | None = None,
    num_workers: Integer | None = None,
    cpus_per_worker: Integer = 1,
    address: str | None = None,
) -> LabelEvaluation:
    """How good a model of many labels a row is on files: `lastlayer.evaluate_labels` of its probabilities, on Ray.

    Labels are predicted by the thresholds of the model's rule. What is said of shards under `evaluate` holds here.

    Args:
      model: a fitted SigmoidClassifier of many labels, or the path of a saved one.
      data: files or patterns.
      labels: the column of lists of labels; None is that of the fit or, where the files lack it, label, labels or y.
      weight: a column of weights >= 0.
      where: an SQL condition on the rows.
      format: what the files are; None is what their first bytes or names tell.
      intervals: None, or the confidence of bootstrap intervals, for which a few numbers of each row come here.
      num_workers: tasks at once; None is as many as the cluster has room for.
      cpus_per_worker: threads of each, and CPUs that it takes.
      address: as in `fit`.
    Returns: LabelEvaluation.
    Raises: InputError, a ValueError, in one sentence, also for a label that the model never saw.
    """
    head = given_model(model)
    if not has_many_labels(head):
        raise InputError("model: is of one label a row, expected a SigmoidClassifier of many; judge it with evaluate.")
    threshold = head.decision_.threshold if isinstance(head.decision_, Thresholds) else 0.5
    make = partial(LabelEvaluationAccumulator, classes=head.classes_, threshold=threshold, intervals=intervals)
    files = LabelledFiles(data, labels, weight, where, format)
    return accumulated(make, _judge, head, files, num_workers, cpus_per_worker, address).result()


def _judge(head):
    def add(accumulator, X, column, weights, place):
        lists = require_known_labels(label_lists(column, place), column.name, head.classes_, place, weights)
        answers = answers_of(lists, head.classes_, len(lists), one_of_two=False)
        accumulator.add_logits(head.decision_function(X) * head.beta_ + head.bias_, answers, weights)

    return add
