"""FittedHead: what a fit, exact or sampled, hands to a SoftmaxClassifier, and what that keeps of it."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision.head_rules import default_rule
from lastlayer.estimators.labelled_rows import LabelledRows
from lastlayer.estimators.training import Training
from lastlayer.solvers import Optimum


class FittedHead(NamedTuple):
    """A head for scaled features, where there is a scale.

    weight: (K, D). intercept: (K,) float64. optimum: what is known of it. failure: what ended the fit early and is
    still to be raised, or None. held_out_rows, log_loss: the rows that a sampled fit has held out, and their log-loss.
    """

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    optimum: Optimum
    failure: BaseException | None = None
    held_out_rows: int = 0
    log_loss: float | None = None

    def shown(self) -> Optimum:
        """What the progress line ends with: of a sampled fit, the log-loss in place of the objective."""
        return self.optimum if self.log_loss is None else replace(self.optimum, objective=self.log_loss)


def head_before(model: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """The classes, weights and intercepts that `model` has, or None before its first fit."""
    return (model.classes_, model.coef_, model.intercept_) if hasattr(model, "coef_") else None


def keep_fitted(model: Any, fitted: FittedHead, rows: LabelledRows, label: str | None) -> None:
    """Set what a fit of `model` sets, from its head for scaled features, its rows and the name of their labels."""
    set_head(model, rows.classes, rows.unscaled(fitted.weight), fitted.intercept, fitted.optimum)
    model.training_ = Training(
        rows=len(rows.labels),
        label=label,
        monitor_rows=fitted.held_out_rows,
        monitor_log_loss=fitted.log_loss,
    )


def set_head(
    model: Any, classes: NDArray[Any], weight: NDArray[Any], intercept: NDArray[Any], optimum: Optimum
) -> None:
    """Set what follows from `classes` (K,), `weight` (K, D), `intercept` (K,) and what is known of the optimum."""
    if len(classes) == 2:
        weight, intercept = weight[1:] - weight[:1], intercept[1:] - intercept[:1]
    else:
        intercept = intercept - intercept.mean()
    model.classes_, model.coef_, model.intercept_ = classes, weight, intercept.astype(weight.dtype)
    model.beta_, model.optimum_, model.header_ = 1.0, optimum, {}
    model.decision_, model.abstain_label_ = default_rule(many_labels=False), None
    model.n_iter_ = np.array([optimum.iterations])
    model._online = None
