"""What a fitted SigmoidClassifier says of rows: scores, probabilities, the most probable labels, a rule's answers.

`model` is the SigmoidClassifier, and `features` are rows (N, D) that `validated` has seen.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, as_sample_weight
from lastlayer.decision import gives_sets, top_k
from lastlayer.decision.head_rules import is_default
from lastlayer.estimators.decision_rule import answers_of_rule, named, share_right
from lastlayer.estimators.label_sets import answers_of
from lastlayer.estimators.linear_head import row_blocks, scores_of
from lastlayer.estimators.top_k_classes import TopKClasses
from lastlayer.functions import sigmoid


def is_one_of_two(model: Any) -> bool:
    """Whether a row has one of two classes, for which one row of coef_ stands."""
    return len(model.intercept_) < len(model.classes_)


def calibrated_scores(model: Any, features: Any) -> NDArray[np.floating[Any]]:
    """What probabilities are the sigmoid of, in the dtype of the head: (N, K), or (N, 1) of the second of two."""
    scores = scores_of(features, model.coef_, model.intercept_)
    scores *= model.beta_.astype(scores.dtype)
    scores += model.bias_.astype(scores.dtype)
    return scores


def sigmoid_probabilities(model: Any, features: Any) -> NDArray[np.floating[Any]]:
    """The probability of each label for itself, (N, K); those of two classes sum to 1."""
    scores = calibrated_scores(model, features)
    if is_one_of_two(model):
        return np.column_stack([sigmoid(-scores), sigmoid(scores)])
    return sigmoid(scores)


def sigmoid_answers(model: Any, features: Any) -> Any:
    """The class index of each row, -1 for "don't know"; or (N, K) booleans, an array or CSR."""
    num_rows, one_of_two = features.shape[0], is_one_of_two(model)
    if not is_default(model.decision_, many_labels=not one_of_two):
        return answers_of_rule(
            model.decision_, lambda rows: sigmoid_probabilities(model, features[rows]), num_rows, len(model.classes_)
        )
    answers = np.empty((num_rows, len(model.intercept_)), bool)
    for rows in row_blocks(num_rows, len(model.intercept_)):
        answers[rows] = calibrated_scores(model, features[rows]) > 0
    return answers[:, 0].astype(np.int64) if one_of_two else answers


def sigmoid_predictions(model: Any, features: Any) -> NDArray[Any]:
    """An (N, K) indicator of 0 and 1; of two classes their names, (N,), or (N, 2) booleans under a rule of sets."""
    answers = sigmoid_answers(model, features)
    if not is_one_of_two(model):
        return (answers.toarray() if sp.issparse(answers) else answers).astype(np.int64)
    if gives_sets(model.decision_):
        return answers
    return named(answers, model.decision_, model.classes_, model.abstain_label_)


def sigmoid_share_right(model: Any, features: Any, y: Any, sample_weight: ArrayLike | None) -> float:
    """The share of rows all of whose labels are answered rightly; of two classes, that are answered with theirs."""
    num_rows, one_of_two = features.shape[0], is_one_of_two(model)
    truth = answers_of(y, model.classes_, num_rows, one_of_two=one_of_two)
    weight = as_sample_weight(sample_weight, num_rows)
    answers = sigmoid_answers(model, features)
    if one_of_two:
        return share_right(answers, truth.toarray()[:, 0].astype(np.int64), weight)
    wrong = abs(sp.csr_array(answers).astype(np.int8) - truth.tocsr().astype(np.int8)).sum(axis=1)
    return float(np.average(np.asarray(wrong).ravel() == 0, weights=weight))


def sigmoid_top_k(model: Any, features: Any, k: Integer) -> TopKClasses:
    """The `k` most probable labels of each row; scores are formed some rows at a time."""
    labels, probabilities = [], []
    for rows in row_blocks(features.shape[0], len(model.intercept_)):
        scores = calibrated_scores(model, features[rows])
        scores = np.column_stack([-scores, scores]) if is_one_of_two(model) else scores
        best = top_k(scores, k).indices
        labels.append(model.classes_[best])
        probabilities.append(sigmoid(np.take_along_axis(scores, best, axis=1)))
    return TopKClasses(np.concatenate(labels), np.concatenate(probabilities))
