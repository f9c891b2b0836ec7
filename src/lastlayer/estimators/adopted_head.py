"""The head of another library, as a fitted estimator."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.decision.head_rules import default_rule
from lastlayer.estimators.training import Training
from lastlayer.metrics import ClassIndex
from lastlayer.solvers import Optimum


def adopt_softmax(
    model: Any,
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    classes: ArrayLike,
    *,
    source: str,
    beta: float = 1.0,
    iterations: int = 0,
) -> None:
    """Set what a fit of `model`, a SoftmaxClassifier, would have set, from weights made elsewhere.

    Rows of the head are put in the order of the sorted classes.

    Args:
      model: SoftmaxClassifier, changed.
      weight: (K, D) float32 or float64; for two classes also (1, D), for the second of them.
      bias: (K,) or (1,), as many as rows of `weight`; None is 0.
      classes: (K,) distinct labels, in the order of the rows.
      source: what the head is called in errors.
      beta: inverse temperature.
      iterations: how many the fit took.
    Raises: ValueError or TypeError, in one sentence, if shapes do not fit, numbers are not finite or a class stands
      twice.
    """
    names, bias = ClassIndex(classes).classes, _given_or_zeros(bias, weight)
    if len(names) < 2:
        raise ValueError("classes: there is one, expected at least two.")
    _require_head(weight, bias, names, source)
    if len(weight) == 2:
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        _require_head(weight, bias, names, source)
    model.classes_, model.coef_, model.intercept_ = _sorted(names, weight, bias)
    model.beta_, model.optimum_ = beta, _unknown(iterations)
    _set_common(model, many_labels=False)


def adopt_sigmoid(
    model: Any,
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    classes: ArrayLike,
    *,
    source: str,
    beta: float = 1.0,
    iterations: int = 0,
) -> None:
    """Set what a fit of `model`, a SigmoidClassifier, would have set, from weights made elsewhere.

    Args:
      model: SigmoidClassifier, changed.
      weight: (K, D) float32 or float64, a row for each label; or (1, D), for the second of two classes of which a row
        has one.
      bias: (K,) or (1,), as many as rows of `weight`; None is 0.
      classes: (K,) distinct labels, in the order of the rows.
      source: what the head is called in errors.
      beta: inverse temperature of all labels.
      iterations: how many the fit took.
    Raises: as adopt_softmax.
    """
    names, bias = ClassIndex(classes).classes, _given_or_zeros(bias, weight)
    _require_head(weight, bias, names, source)
    model.classes_, model.coef_, model.intercept_ = _sorted(names, weight, bias)
    rows = len(weight)
    model.beta_, model.bias_, model.constant_ = np.full(rows, beta), np.zeros(rows), np.zeros(rows, bool)
    model.optima_, model.optimum_ = [_unknown(iterations)] * rows, _unknown(iterations)
    _set_common(model, many_labels=rows == len(names))


def adopt_feature_names(model: Any, source: Any) -> None:
    """Give `model` the names of features that `source`, an estimator of scikit-learn's, has, if any."""
    if hasattr(source, "feature_names_in_"):
        model.feature_names_in_ = np.array(source.feature_names_in_)


def _given_or_zeros(bias, weight):
    return np.zeros(len(weight), weight.dtype) if bias is None else bias


def _sorted(names, weight, bias):
    """The classes in order, and the rows that go with them."""
    order = np.argsort(names)
    if len(weight) < len(names):
        weight, bias = (weight, bias) if order[0] == 0 else (-weight, -bias)
    else:
        weight, bias = weight[order], bias[order]
    return names[order], np.ascontiguousarray(weight), bias


def _unknown(iterations):
    """Nothing is known of how good the head is: not its objective, and no bound."""
    return Optimum(math.nan, math.nan, math.inf, iterations, math.nan, "unknown")


def _set_common(model, *, many_labels):
    """Set what follows from the weights and the optimum, or is not known."""
    model.decision_, model.abstain_label_ = default_rule(many_labels=many_labels), None
    model.n_features_in_, model.n_iter_ = model.coef_.shape[1], np.array([model.optimum_.iterations])
    model.training_, model.header_ = Training(), {}


def _require_head(weight, bias, names, source):
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(
            f"{source}: weights of shape {weight.shape} with a bias of shape {bias.shape}, expected (K, D) and (K,)."
        )
    if len(weight) != len(names) and (len(weight), len(names)) != (1, 2):
        rows = f"{len(weight)} row{'s'[: len(weight) != 1]} of weights"
        raise ValueError(
            f"classes: there are {len(names)}, but {source} has {rows}, expected one for each class, or one for the "
            "second of two."
        )
    for name, values in (("weights", weight), ("bias", bias)):
        if values.dtype not in (np.float32, np.float64):
            raise TypeError(f"{source}: {name} are {values.dtype}, expected float32 or float64.")
        finite = np.isfinite(values)
        if not finite.all():
            place = tuple(map(int, np.argwhere(~finite)[0]))
            raise ValueError(f"{source}: {name} hold {values[place]} at {place}, expected finite numbers.")
