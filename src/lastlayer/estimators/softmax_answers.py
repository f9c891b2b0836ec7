"""What a fitted SoftmaxClassifier says of rows: scores, probabilities, the most probable classes, a rule's answers.

`model` is the SoftmaxClassifier, and `features` are rows (N, D) that `validated` has seen.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

from lastlayer._arrays import Integer, as_sample_weight
from lastlayer._memory import allowed_bytes
from lastlayer.decision import gives_sets, linear_top_k, top_k
from lastlayer.decision.head_rules import is_default
from lastlayer.estimators.decision_rule import answers_of_rule, named, share_right
from lastlayer.estimators.linear_head import row_blocks, scores_of
from lastlayer.estimators.top_k_classes import TopKClasses
from lastlayer.functions import softmax
from lastlayer.linear import HeadLogits, working_dtype
from lastlayer.metrics import ClassIndex


def softmax_scores(model: Any, features: Any) -> NDArray[np.floating[Any]]:
    """Scores, (N, K), or (N,) for two classes: those of the second."""
    scores = scores_of(features, model.coef_, model.intercept_)
    return scores[:, 0] if len(model.classes_) == 2 else scores


def softmax_logits(model: Any, features: Any) -> NDArray[np.floating[Any]]:
    """Scores as (N, K); those of two classes are the columns (0, score)."""
    scores = softmax_scores(model, features)
    return scores if scores.ndim == 2 else np.column_stack([np.zeros_like(scores), scores])


def softmax_logits_within(model: Any, features: Any) -> NDArray[np.floating[Any]] | HeadLogits:
    """The same of rows to calibrate on: an array where the memory that is allowed has room for it, else HeadLogits.

    Features that are stored as other numbers than floats of 4 or 8 bytes are always worked on in blocks.
    """
    num_classes, coef, intercept = len(model.classes_), model.coef_, model.intercept_
    is_float = features.dtype == working_dtype(features.dtype)
    fits = features.shape[0] * num_classes * coef.itemsize <= allowed_bytes()
    if sp.issparse(features) or (is_float and fits):
        return softmax_logits(model, features)
    if len(coef) < num_classes:
        coef = np.concatenate([np.zeros_like(coef), coef])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    return HeadLogits(features, coef, intercept)


def softmax_probabilities(model: Any, features: Any) -> NDArray[np.floating[Any]]:
    """Probabilities softmax(beta_ * scores), (N, K)."""
    logits = softmax_logits(model, features)
    return softmax(logits, beta=model.beta_, out=logits)


def softmax_answers(model: Any, features: Any) -> Any:
    """The class index of each row, -1 for "don't know"; or (N, K) booleans, under a rule of sets."""
    num_rows, num_classes = features.shape[0], len(model.classes_)
    if not is_default(model.decision_, many_labels=False):
        return answers_of_rule(
            model.decision_, lambda rows: softmax_probabilities(model, features[rows]), num_rows, num_classes
        )
    best = np.empty(num_rows, np.int64)
    for rows in row_blocks(num_rows, num_classes):
        scores = softmax_scores(model, features[rows])
        best[rows] = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
    return best


def softmax_predictions(model: Any, features: Any) -> NDArray[Any]:
    """The answers by the names of the classes, (N,); or (N, K) booleans, under a rule of sets."""
    answers = softmax_answers(model, features)
    if gives_sets(model.decision_):
        return answers
    return named(answers, model.decision_, model.classes_, model.abstain_label_)


def softmax_share_right(model: Any, features: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """The share of rows whose answer is their label (N,), or whose set holds it. Raises ValueError for another N."""
    answers, labels = softmax_answers(model, features), column_or_1d(y)
    if len(labels) != answers.shape[0]:
        raise ValueError(f"y: has {len(labels)} labels, expected {answers.shape[0]}, one for each row of X.")
    index = ClassIndex(model.classes_)
    known = index.knows(labels)
    codes = np.full(len(labels), -1)
    codes[known] = index.find(labels[known])
    return share_right(answers, codes, as_sample_weight(sample_weight, len(labels)))


def softmax_top_k(model: Any, features: Any, k: Integer) -> TopKClasses:
    """The `k` most probable classes of each row; of dense features of more than two classes without any (N, K) array.

    Others are scored some rows at a time.
    """
    if len(model.classes_) > 2 and not sp.issparse(features):
        found = linear_top_k(features, model.coef_, k, bias=model.intercept_, beta=model.beta_)
        return TopKClasses(model.classes_[found.indices], found.probabilities)
    parts = [
        top_k(softmax_logits(model, features[rows]), k, beta=model.beta_)
        for rows in row_blocks(features.shape[0], len(model.classes_))
    ]
    return TopKClasses(
        model.classes_[np.concatenate([part.indices for part in parts])],
        np.concatenate([part.probabilities for part in parts]),
    )
