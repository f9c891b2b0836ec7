"""What a SigmoidClassifier keeps of a fit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision.head_rules import default_rule
from lastlayer.estimators.label_optima import together
from lastlayer.solvers import Optimum


def set_labels(
    model: Any,
    classes: NDArray[Any],
    weight: NDArray[Any],
    intercept: NDArray[np.float64],
    constant: NDArray[np.bool_],
    optima: list[Optimum],
) -> None:
    """Set what follows from the head of a fit.

    Args:
      model: SigmoidClassifier.
      classes: (K,) labels, or two classes of which a row has one.
      weight: (K, D) or (1, D), for features as they are.
      intercept: (K,) or (1,).
      constant: (K,) or (1,), whether no row of the fit had the label, or every one.
      optima: what is known of each.
    """
    num_answers = len(intercept)
    model.classes_, model.coef_, model.intercept_ = classes, weight, intercept.astype(weight.dtype)
    model.beta_, model.bias_ = np.ones(num_answers), np.zeros(num_answers)
    model.constant_, model.optima_, model.optimum_ = constant, optima, together(optima)
    model.n_iter_, model.header_ = np.array([model.optimum_.iterations]), {}
    model.decision_, model.abstain_label_ = default_rule(many_labels=num_answers == len(classes)), None
