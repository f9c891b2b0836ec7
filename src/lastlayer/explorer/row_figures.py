"""What a model says of each of its rows: how sure it is, what it answers, and what that costs."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.decision import abstention_score, gives_sets
from lastlayer.estimators import SoftmaxClassifier


@dataclass(frozen=True, eq=False)
class RowFigures:
    """Arrays (N,).

    Attributes:
      confidence: the largest probability.
      margin: what the largest probability is above the second largest.
      entropy: -sum p ln p, in nats.
      best: the class of the largest probability.
      answer: the class that the model's rule answers, -1 for "don't know"; `best` where the rule answers with sets.
      loss: -ln of the label's probability, in nats; NaN where the label is no class. None without labels.
    """

    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    entropy: NDArray[np.float64]
    best: NDArray[np.int64]
    answer: NDArray[np.int64]
    loss: NDArray[np.float64] | None


def row_figures(model: SoftmaxClassifier, scores: NDArray[np.float64], labels: NDArray[np.int64] | None) -> RowFigures:
    """The figures of rows.

    Args:
      model: whose beta_ and decision_ are meant.
      scores: (N, K) float64, before beta.
      labels: (N,) class indices, -1 for no class; None for none.
    """
    logits = model.beta_ * scores
    probabilities = ll.softmax(logits)
    best = probabilities.argmax(axis=1)
    answer = best if gives_sets(model.decision_) else np.asarray(model.decision_.apply(probabilities), np.int64)
    loss = None
    if labels is not None:
        loss = np.where(labels < 0, np.nan, ll.cross_entropy(logits, labels, ignore_index=-1))
    return RowFigures(
        confidence=abstention_score(probabilities, "max_probability"),
        margin=abstention_score(probabilities, "margin"),
        entropy=np.maximum(0.0, ll.soft_cross_entropy(logits, probabilities)),
        best=best,
        answer=answer,
        loss=loss,
    )


def joined_figures(parts: Sequence[RowFigures]) -> RowFigures:
    """The figures of rows that follow one another."""
    joined: dict[str, Any] = {}
    for field in fields(RowFigures):
        pieces = [getattr(part, field.name) for part in parts]
        joined[field.name] = None if pieces[0] is None else np.concatenate(pieces)
    return RowFigures(**joined)


def scores_in_full(model: SoftmaxClassifier, features: NDArray[Any]) -> NDArray[np.float64]:
    """Scores (N, K) of features (N, D), in float64 whatever these are: so a row's do not depend on its neighbours."""
    scores = np.asarray(model.decision_function(features.astype(np.float64)), np.float64)
    return scores if scores.ndim == 2 else np.column_stack([np.zeros_like(scores), scores])
