"""What a head of scikit-learn's says of itself, where it is one that this library's probabilities agree with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.validation import check_is_fitted

# A subclass elsewhere may do something else.
_EXACT = (LogisticRegression, LogisticRegressionCV)


def require_multinomial(model: object) -> None:
    """Raise TypeError or ValueError unless `model` is a fitted LogisticRegression of one softmax over all classes."""
    if type(model) not in _EXACT:
        raise TypeError(
            f"model: received a {type(model).__name__}, expected a fitted LogisticRegression; of a pipeline pass the "
            "last step, and put the head in its place."
        )
    check_is_fitted(model)
    fitted: Any = model
    if not is_softmax(fitted):
        raise ValueError(
            f"model: is a LogisticRegression with solver={fitted.solver!r} for {len(fitted.classes_)} classes, whose "
            "probabilities are no softmax of its scores, expected a multinomial or a binary one; fit it with "
            "solver='lbfgs'."
        )


def is_softmax(model: Any) -> bool:
    """Whether the probabilities of a fitted LogisticRegression are the softmax of its scores, (0, score) of two.

    Until scikit-learn 1.8, liblinear and multi_class="ovr" fit one class against the rest, and "multinomial" doubles
    the scores of two classes.
    """
    kind = getattr(model, "multi_class", "auto")
    if len(model.classes_) == 2:
        return kind != "multinomial" or model.solver == "liblinear"
    return kind != "ovr" and model.solver != "liblinear"


def rows_of_labels(model: object) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights (K, D) and biases (K,) of a fitted OneVsRestClassifier of LogisticRegression, a row for each label.

    Raises: TypeError for another model; ValueError if its probabilities are not those of a label for itself.
    """
    if not isinstance(model, OneVsRestClassifier) or type(model.estimator) not in _EXACT:
        raise TypeError(
            f"model: received a {type(model).__name__}, expected a fitted OneVsRestClassifier of LogisticRegression."
        )
    check_is_fitted(model)
    fitted: Any = model
    if not fitted.multilabel_ and len(fitted.classes_) > 2:
        raise ValueError(
            f"model: chooses one of {len(fitted.classes_)} classes, whose probabilities it makes sum to 1, expected "
            "many labels a row; fit it on an indicator."
        )
    for k, estimator in enumerate(fitted.estimators_):
        if type(estimator) not in _EXACT:
            raise ValueError(
                f"model: label {fitted.classes_[k].item()!r} has a {type(estimator).__name__}, since no row of the fit "
                "had the label, or every one, expected a LogisticRegression; fit it without such labels."
            )
    heads = [(head.coef_, np.broadcast_to(head.intercept_, 1)) for head in fitted.estimators_]
    weight, bias = (np.concatenate(parts) for parts in zip(*heads, strict=True))
    return weight, bias.astype(weight.dtype)


def parameters_of(model: Any) -> dict[str, Any]:
    """The parameters of a fitted LogisticRegression that mean the same here; C only where the penalty is the same."""
    names = ("fit_intercept", "class_weight", "tol", "max_iter", "warm_start", "random_state")
    found = {name: getattr(model, name) for name in names if hasattr(model, name)}
    # LogisticRegressionCV has chosen its own, and has no C and l1_ratio to be told.
    chosen = np.unique(model.C_ if hasattr(model, "C_") else model.C)
    l1_ratio = model.l1_ratio_ if hasattr(model, "l1_ratio_") else model.l1_ratio
    penalty = getattr(model, "penalty", "deprecated")
    if penalty is None:
        found["C"] = np.inf
    elif len(chosen) == 1 and (penalty == "l2" or (penalty == "deprecated" and not np.any(l1_ratio))):
        found["C"] = float(chosen[0])
    return found
