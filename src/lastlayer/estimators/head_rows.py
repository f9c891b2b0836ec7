"""A fitted head as rows of weights: one for each column of its probabilities."""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted


class HeadRows(NamedTuple):
    """A head whose probabilities are link(beta * (x weight' + bias) + shift).

    weight: (K, D) and bias: (K,), in the dtype of the head. beta: () or (K,) float64. shift: (K,) float64, or None for
    0. link: "softmax" or "sigmoid". one_label: whether a row has exactly one of the labels.
    """

    weight: NDArray[Any]
    bias: NDArray[Any]
    beta: NDArray[np.float64]
    shift: NDArray[np.float64] | None
    link: Literal["softmax", "sigmoid"]
    one_label: bool


def head_rows(model: Any) -> HeadRows:
    """The rows of a fitted SoftmaxClassifier or SigmoidClassifier.

    Two classes have one row of coef_, for the second: under a softmax the first gets a row of zeros, under a sigmoid
    that row times -1, so that the columns are those of predict_proba.
    """
    check_is_fitted(model)
    weight, bias, num_classes = model.coef_, model.intercept_, len(model.classes_)
    if not hasattr(model, "bias_"):
        if len(weight) < num_classes:
            weight, bias = (np.concatenate([np.zeros_like(array), array]) for array in (weight, bias))
        return HeadRows(weight, bias, np.array(model.beta_, np.float64), None, "softmax", True)
    if len(weight) == num_classes:
        return HeadRows(weight, bias, model.beta_, model.bias_, "sigmoid", False)
    weight, bias, shift = (np.concatenate([-array, array]) for array in (weight, bias, model.bias_))
    return HeadRows(weight, bias, np.repeat(model.beta_, 2), shift, "sigmoid", True)
