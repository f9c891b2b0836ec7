"""A pipeline of affine steps and a head becomes one head on raw features.

A step z = (x - centre) M turns the scores W z + b into (W M') x + b - W M' centre. So weights are pulled back from the
last step to the first, in float64, and no step's matrix is formed unless it has one.
"""

import copy
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from lastlayer.estimators.from_sklearn import is_softmax
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# A component whose standard deviation is so many units in the last place of the largest is rounding.
_ROUNDING = 1000


def fold(pipeline: "Pipeline") -> SoftmaxClassifier:
    """One SoftmaxClassifier on raw features with the probabilities of a fitted Pipeline, to rounding.

    Steps may be StandardScaler, MinMaxScaler and MaxAbsScaler without clip, RobustScaler, PCA, IncrementalPCA,
    TruncatedSVD, feature selectors, FunctionTransformer without a function, "passthrough", None, and pipelines of
    these. The last step is a SoftmaxClassifier, and the result has its beta_, decision_, parameters and optimum_, which
    is of the features that it saw; or a multinomial or binary LogisticRegression, of whose optimum nothing is known but
    the number of iterations.

    Args:
      pipeline: a fitted sklearn.pipeline.Pipeline; it is not changed.
    Returns: a head of its own, in the dtype of the pipeline's head, with the feature names of the pipeline's input.
    Raises: TypeError, in one sentence, for what is no Pipeline, has another head or a step that is not affine or not
      known; ValueError where a weight on raw features is beyond the head's dtype, or PCA whitens a component that is
        rounding; NotFittedError (a ValueError).

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), SoftmaxClassifier()).fit(X, y)
    >>> bool(np.allclose(fold(pipeline).predict_proba(X), pipeline.predict_proba(X)))
    True
    """
    steps = _flat_steps(pipeline)
    if not steps:
        raise ValueError("pipeline: has no steps, expected a head as its last; put a SoftmaxClassifier there.")
    name, last = steps.pop()
    head = _head_of(name, last)
    dtype = head.coef_.dtype
    weight, intercept = head.coef_.astype(np.float64), head.intercept_.astype(np.float64)
    for name, step in reversed(steps):
        factor, centre, shift = _affine(name, step)
        if shift is not None:
            intercept = intercept + weight @ shift
        weight = factor(weight)
        if centre is not None:
            intercept = intercept - weight @ centre
    with np.errstate(over="ignore"):
        head.coef_, head.intercept_ = np.ascontiguousarray(weight, dtype), intercept.astype(dtype)
    if not (np.isfinite(head.coef_).all() and np.isfinite(head.intercept_).all()):
        raise ValueError(
            f"pipeline: its weights on raw features are beyond {dtype}, expected features on a scale that it holds; "
            "fit the pipeline on float64 features."
        )
    head.n_features_in_ = weight.shape[1]
    names = getattr([*steps, (name, last)][0][1], "feature_names_in_", None)
    if names is not None:
        head.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(head, "feature_names_in_"):
        del head.feature_names_in_
    return head


def _flat_steps(pipeline):
    """The (name, step) of a pipeline and the pipelines in it that do anything."""
    from sklearn.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"pipeline: received a {type(pipeline).__name__}, expected a fitted sklearn.pipeline.Pipeline whose last "
            "step is a SoftmaxClassifier; pass make_pipeline(*steps)."
        )
    flat = []
    for name, step in pipeline.steps:
        if isinstance(step, Pipeline):
            flat += [(f"{name}.{inner}", entry) for inner, entry in _flat_steps(step)]
        elif step is not None and not (isinstance(step, str) and step == "passthrough"):
            flat.append((name, step))
    return flat


def _require_fitted(name, step):
    try:
        check_is_fitted(step)
    except NotFittedError:
        raise NotFittedError(
            f"pipeline: step {name!r} is a {type(step).__name__} that is not fitted, expected a fitted pipeline; call "
            "fit first."
        ) from None


def _head_of(name, step):
    """A copy of the last step as a SoftmaxClassifier."""
    if isinstance(step, SoftmaxClassifier):
        _require_fitted(name, step)
        return copy.deepcopy(step)
    if _scikit_learn_name(step) != "LogisticRegression":
        raise TypeError(
            f"pipeline: its last step {name!r} is a {type(step).__name__}, expected a SoftmaxClassifier or a "
            "LogisticRegression; put one there and fit it."
        )
    _require_fitted(name, step)
    if not is_softmax(step):
        raise TypeError(
            f"pipeline: its last step {name!r} is a LogisticRegression with multi_class="
            f"{getattr(step, 'multi_class', 'auto')!r} and solver={step.solver!r} for {len(step.classes_)} classes, "
            "expected a multinomial or a binary one; fit a SoftmaxClassifier."
        )
    return SoftmaxClassifier.from_sklearn(step)


def _scikit_learn_name(step):
    """The class name of an object of scikit-learn itself, or ""; a subclass elsewhere may do something else."""
    kind = type(step)
    return kind.__name__ if kind.__module__.partition(".")[0] == "sklearn" else ""


def _affine(name, step):
    """A step z = (x - centre) M + shift as (W -> W M', centre or None, shift or None)."""
    kind = _scikit_learn_name(step)
    selects = any(base.__name__ == "SelectorMixin" for base in type(step).__mro__)
    if not selects and kind not in _STEPS:
        raise TypeError(
            f"pipeline: step {name!r} is a {type(step).__name__}, expected one of {', '.join(_STEPS)} or a feature "
            "selector, since only affine steps fold into a head; keep the pipeline, or fit it without this step."
        )
    _require_fitted(name, step)
    if getattr(step, "clip", False):
        raise TypeError(
            f"pipeline: step {name!r} is a {kind} with clip=True, which is not affine, expected clip=False; keep the "
            "pipeline, or fit it without clip."
        )
    if kind == "FunctionTransformer" and step.func is not None:
        raise TypeError(
            f"pipeline: step {name!r} is a FunctionTransformer of {step.func!r}, expected func=None, since no function "
            "is known to be affine; keep the pipeline, or fit it without this step."
        )
    return _selected(step) if selects else _STEPS[kind](name, step)


def _scaled(factor, centre=None, shift=None):
    return (lambda weight: weight if factor is None else weight * factor), centre, shift


def _standard(name, step):
    scale = step.scale_ if step.with_std else None
    return _scaled(None if scale is None else 1 / scale, step.mean_ if step.with_mean else None)


def _robust(name, step):
    return _scaled(1 / step.scale_ if step.with_scaling else None, step.center_ if step.with_centering else None)


def _components(name, step):
    basis, centre = step.components_.astype(np.float64), getattr(step, "mean_", None)
    if getattr(step, "whiten", False):
        scale = np.sqrt(step.explained_variance_)
        if (scale <= _ROUNDING * np.finfo(scale.dtype).eps * scale.max()).any():
            raise ValueError(
                f"pipeline: step {name!r} is a {type(step).__name__} that whitens component {int(scale.argmin())}, "
                "which varies by rounding alone, expected components that vary; fit it with fewer components."
            )
        basis = basis / scale[:, None]
    return (lambda weight: weight @ basis), centre, None


def _selected(step):
    support = step.get_support()

    def scatter(weight):
        result = np.zeros((weight.shape[0], support.size))
        result[:, support] = weight
        return result

    return scatter, None, None


_STEPS = {
    "FunctionTransformer": lambda name, step: _scaled(None),
    "IncrementalPCA": _components,
    "MaxAbsScaler": lambda name, step: _scaled(1 / step.scale_),
    "MinMaxScaler": lambda name, step: _scaled(step.scale_, shift=step.min_),
    "PCA": _components,
    "RobustScaler": _robust,
    "StandardScaler": _standard,
    "TruncatedSVD": _components,
}
