"""SoftmaxClassifier: a softmax head on features, with scikit-learn's conventions."""

import os
import warnings
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from lastlayer._arrays import Features, Integer, Number, as_sample_weight, checked_beta, positive_number
from lastlayer.calibration import fit_temperature
from lastlayer.decision import top_k
from lastlayer.estimators.class_weight import ClassWeight, class_factors
from lastlayer.estimators.feature_scales import warn_of_scales
from lastlayer.estimators.progress import ProgressLine
from lastlayer.estimators.sorted_classes import sorted_classes
from lastlayer.estimators.training import Training
from lastlayer.functions import log_softmax, softmax
from lastlayer.linear import DenseFeatures, SparseFeatures
from lastlayer.losses import cross_entropy, nll
from lastlayer.metrics import ClassIndex
from lastlayer.solvers import Optimum, SoftmaxRegression, minimise, standard_deviations
from lastlayer.storage import FEATURE_NAMES, encode_classes, write_head

# The square of a larger one leaves float64.
_LARGEST_PENALTY = 1e150
# Scores that predict and predict_top_k hold at a time.
_SCORES = 1 << 22


class FitInterrupted(UserWarning):
    """Ctrl-C stopped a fit; the estimator holds the best head so far and can be used."""


class TopKClasses(NamedTuple):
    """What `predict_top_k` returns: `labels` (N, k) and `probabilities` (N, k), most probable class first."""

    labels: NDArray[Any]
    probabilities: NDArray[np.floating[Any]]


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):
    """A linear softmax head, fitted to the optimum of scikit-learn's LogisticRegression objective.

        F(W, b) = sum_i s_i CE(x_i W' + b, y_i) / sum_i s_i + ||W||² / (2 C sum_i s_i),   in nats, b free

    Same C, same argmin. Two classes are fitted as LogisticRegression does, with one weight vector for the second
    class. X is neither copied nor centred if it is float32 or float64, in C or Fortran order, or CSR of one of these;
    float16 becomes float32, everything else float64. Memory beyond X: logits twice, 8 N K bytes for float32 features
    with K rounded up to a multiple of 8, but at most 4 GiB, after which they are computed anew, one more product, in
    each pass; about 30 times the head, K D numbers, for the solver; D² numbers for the curvature; in the
    end, for the bound, a part of the rows, at most 256 MiB.

    Args:
      C: inverse strength of the penalty, > 0; inf is none, and then there is no bound on F - F*. Features of unit
        length want 10 to 100: C = 1 shrinks their scores hard, and `calibrate` repairs most of it, not all.
      fit_intercept: whether to fit b; it is not penalised.
      class_weight: None, "balanced", or a dict from class to factor of its rows' weight.
      tol: the fit ends where no entry of the gradient exceeds 0.45 tol and the quadratic model of F predicts a relative
        decrease below 100 tol; or, whatever the gradient's scale, below tol / 100.
      max_iter: iterations at most; each takes two products with X.
      standardize: whether the penalty is on the weights of features divided by their standard deviations, so that no
        feature's unit matters; X is not copied, and coef_ and intercept_ are for X as it is. The optimum is that of
        make_pipeline(StandardScaler(), SoftmaxClassifier()); without intercept, of StandardScaler(with_mean=False),
        since a head without intercept cannot tell where features are centred. Deviations count sample_weight, as
        StandardScaler's do, not class_weight. A column that is constant but for rounding is not scaled.
      warm_start: start from the last fit's head if it has the same classes and as many features.
      random_state: seed of the sample of rows that estimates the features' covariance when there are many; it changes
        the path to the optimum only. None is 0: the same fit each time.
      verbose: 1 shows a progress line on standard error.

    Attributes:
      classes_: (K,) labels in sorted order.
      coef_: (K, D), or (1, D) for two classes; in the dtype of the features.
      intercept_: (K,) or (1,).
      beta_: the inverse temperature of probabilities, softmax(beta_ * scores); 1 until `calibrate`.
      optimum_: an Optimum: objective, gradient norm, a bound on F - F* and what it is expected to be, why the fit
        stopped; with standardize, of F for the scaled features and their weights.
      n_iter_: (1,) iterations.
      n_features_in_, feature_names_in_: as in scikit-learn. A DataFrame, of pandas or Polars, must have these columns
        in this order; an array of the right width is taken as it is.
      training_: a Training: how many rows made the head, and the columns that they came from.
      header_: what `save` was told to remember; {} after a fit.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> head = SoftmaxClassifier(C=10).fit(X, y)
    >>> head.predict(X[:2]).tolist(), head.score(X, y) > 0.95
    ([0, 0], True)
    """

    classes_: NDArray[Any]
    coef_: NDArray[np.floating[Any]]
    intercept_: NDArray[np.floating[Any]]
    beta_: float
    optimum_: Optimum
    n_iter_: NDArray[np.int64]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    training_: Training
    header_: dict[str, Any]

    if TYPE_CHECKING:
        # What the base classes bring, for they are not typed.
        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """As in scikit-learn."""
            raise NotImplementedError

        def set_params(self, **params: Any) -> Self:
            """As in scikit-learn."""
            raise NotImplementedError

        def score(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
            """As in scikit-learn."""
            raise NotImplementedError

        def set_fit_request(self, *, sample_weight: bool | str | None) -> Self:
            """As in scikit-learn."""
            raise NotImplementedError

        def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
            """As in scikit-learn."""
            raise NotImplementedError

    def __init__(
        self,
        *,
        C: Number = 1.0,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        tol: Number = 1e-4,
        max_iter: Integer = 1000,
        standardize: bool = False,
        warm_start: bool = False,
        random_state: Integer | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.C: Number = C
        self.fit_intercept: bool = fit_intercept
        self.class_weight: ClassWeight = class_weight
        self.tol: Number = tol
        self.max_iter: Integer = max_iter
        self.standardize: bool = standardize
        self.warm_start: bool = warm_start
        self.random_state: Integer | np.random.RandomState | None = random_state
        self.verbose: int = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the head. Ctrl-C stops at the best head so far, with a FitInterrupted warning.

        Args:
          X: (N, D) features, dense or sparse.
          y: (N,) labels: strings, integers or booleans.
          sample_weight: (N,) weights >= 0; a row of weight 0 is as good as absent.
        Raises: ValueError or TypeError, in one sentence, for parameters out of range, NaN or infinite features, fewer
          than two classes, or lengths that differ.
        """
        C, tol = positive_number(self.C, "C", infinite=True), positive_number(self.tol, "tol")
        if not isinstance(self.max_iter, Integral) or isinstance(self.max_iter, bool) or self.max_iter < 1:
            raise ValueError(f"max_iter: received {self.max_iter!r}, expected a whole number of at least 1.")
        previous = self._head_before() if self.warm_start else None
        name = getattr(y, "name", None)
        given: Any = X, y
        checked: Any = validate_data(self, *given, **_accepted(X))
        features, targets = checked
        classes, labels = sorted_classes(targets)
        if targets.dtype.kind not in "biuU" and not isinstance(classes[0], str):
            check_classification_targets(targets)
        if len(classes) < 2:
            raise ValueError(
                f"y: only one class, {_plain(classes[0])!r}, in {len(targets)} rows, expected at least two classes."
            )
        weight = as_sample_weight(sample_weight, len(targets))
        weight = np.ones(len(targets)) if weight is None else weight
        scale = _scale(features, weight) if self.standardize else None
        weight = weight * class_factors(self.class_weight, classes, labels, weight)[labels]
        if not weight.any():
            raise ValueError("class_weight: every row that has a weight is of a class with factor 0.")

        binary = len(classes) == 2
        matrix = SparseFeatures(features, scale) if sp.issparse(features) else DenseFeatures(features, scale)
        # Two opposite weight vectors under twice the penalty are one weight vector under the penalty.
        penalty = (2 if binary else 1) / max(C * float(weight.sum()), np.finfo(float).tiny)
        if not penalty < min(_LARGEST_PENALTY, float(np.finfo(features.dtype).max)):
            raise ValueError(
                f"C: received {self.C!r}, expected a larger number; its penalty is beyond {features.dtype}."
            )
        problem = SoftmaxRegression(
            matrix,
            labels,
            weight,
            len(classes),
            penalty,
            fit_intercept=bool(self.fit_intercept),
            generator=check_random_state(0 if self.random_state is None else self.random_state),
        )
        report = ProgressLine() if self.verbose else None
        head, intercept, optimum = minimise(
            problem,
            tol=tol,
            max_iter=int(self.max_iter),
            start=_start(previous, classes, matrix),
            report=report,
        )
        if report is not None:
            report.close(optimum)
        weights, head = head, matrix.unscaled(head)
        if scale is not None and not np.isfinite(head).all():
            column = int(np.isfinite(head).all(axis=0).argmin())
            raise ValueError(
                f"X: feature {column} has a standard deviation of {scale[column]:.1e}, too small for its weight to be "
                f"a number of {head.dtype}, expected features on a scale that it holds; pass float64 features."
            )
        if binary:
            head, intercept = head[1:] - head[:1], intercept[1:] - intercept[:1]
        else:
            intercept = intercept - intercept.mean()
        self.classes_, self.coef_, self.intercept_ = classes, head, intercept.astype(head.dtype)
        self.beta_, self.optimum_, self.header_ = 1.0, optimum, {}
        self.training_ = Training(rows=len(targets), label=name if isinstance(name, str) else None)
        self.n_iter_ = np.array([optimum.iterations])
        self._warn_of_limits(tol)
        if not self.standardize:
            names = getattr(self, "feature_names_in_", None)
            warn_of_scales(features, problem, weights, optimum, names, stacklevel=2)
        return self

    def _head_before(self):
        return (self.classes_, self.coef_, self.intercept_) if hasattr(self, "coef_") else None

    def _warn_of_limits(self, tol):
        optimum = self.optimum_
        state = f"objective {optimum.objective:.6g}, {optimum.certificate()}"
        if optimum.stopped == "interrupted":
            warnings.warn(
                f"fit: interrupted after {optimum.iterations} iterations at the best head so far ({state}); it can be "
                "used as it is, and fit continues from it with warm_start=True.",
                FitInterrupted,
                stacklevel=3,
            )
        elif optimum.stopped == "separable":
            warnings.warn(
                f"fit: C={self.C:g}, and a head can separate the classes, so that its weights would grow for ever; "
                f"the fit ended where every row is right ({state}); pass a finite C for a head with an optimum.",
                ConvergenceWarning,
                stacklevel=3,
            )
        elif optimum.stopped == "max_iter":
            warnings.warn(
                f"fit: max_iter={self.max_iter} was reached before tol={tol:g} ({state}); raise max_iter, "
                f"{'' if self.standardize else 'pass standardize=True, '}or lower C.",
                ConvergenceWarning,
                stacklevel=3,
            )
        elif optimum.stopped == "noise" and optimum.gradient_norm > tol:
            warnings.warn(
                f"fit: {self.coef_.dtype} rounding hides any further decrease before tol={tol:g} ({state}); pass "
                f"float64 features{'' if self.standardize else ' or standardize=True'}, or scale them.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def decision_function(self, X: Features) -> NDArray[np.floating[Any]]:
        """Scores, (N, K), or (N,) for two classes: those of the second. They are not multiplied by beta_."""
        return self._scores(self._validated(X))

    def predict(self, X: Features) -> NDArray[Any]:
        """The most probable class of each row, (N,); of equal scores the first class."""
        features = self._validated(X)
        best = np.empty(features.shape[0], np.int64)
        for rows in self._blocks(features):
            scores = self._scores(features[rows])
            best[rows] = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """Probabilities softmax(beta_ * scores), (N, K), each row summing to 1."""
        logits = self._logits(self._validated(X))
        return softmax(logits, beta=self.beta_, out=logits)

    def predict_log_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """log_softmax(beta_ * scores), (N, K), finite where probabilities underflow."""
        logits = self._logits(self._validated(X))
        return log_softmax(logits, beta=self.beta_, out=logits)

    def predict_top_k(self, X: Features, k: Integer) -> TopKClasses:
        """The `k` most probable classes of each row, as (labels (N, k), probabilities (N, k)); no (N, K) array."""
        features = self._validated(X)
        parts = [top_k(self._logits(features[rows]), k, beta=self.beta_) for rows in self._blocks(features)]
        return TopKClasses(
            self.classes_[np.concatenate([part.indices for part in parts])],
            np.concatenate([part.probabilities for part in parts]),
        )

    def calibrate(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Set beta_ to the inverse temperature with the least log-loss on rows that the fit has not seen.

        Args:
          X: (M, D) features.
          y: (M,) labels, all of them among classes_.
          sample_weight: (M,) weights >= 0; a row of weight 0 is as good as absent.
        Returns: self.
        """
        features, y = self._validated(X), np.asarray(y)
        if y.shape != (features.shape[0],):
            raise ValueError(f"y: shape is {y.shape}, expected ({features.shape[0]},), one label for each row of X.")
        weights = as_sample_weight(sample_weight, len(y))
        if weights is not None and not weights.all():
            kept = weights > 0
            features, y, weights = features[kept], y[kept], weights[kept]
        index = ClassIndex(self.classes_)
        known = index.knows(y)
        if not known.all():
            row = int(known.argmin())
            raise ValueError(
                f"y: row {row} is {_plain(y[row])!r}, expected one of the {len(self.classes_)} classes of the fit; "
                f"leave such rows out ({int((~known).sum())} of {len(y)})."
            )
        logits, labels = self._logits(features), index.find(y)
        beta = checked_beta(fit_temperature(logits, labels, sample_weight=weights))
        before = np.average(cross_entropy(logits, labels), weights=weights)
        after = np.average(nll(log_softmax(logits, beta=beta, out=logits), labels), weights=weights)
        self.beta_ = beta
        self.training_ = replace(
            self.training_, held_out_rows=len(y), log_loss_before=float(before), log_loss_after=float(after)
        )
        return self

    def save(self, path: str | os.PathLike[str], header: dict[str, Any] | None = None) -> None:
        """Write the head to one .safetensors file, as a whole or not at all; `lastlayer.load` reads it back.

        Args:
          path: the file; an old one is replaced in one step.
          header: dict of JSON-able things of your own to remember with it, found again as header_; None keeps those
            that are there. A random_state that is no whole number is not kept.
        Raises: TypeError for labels other than numbers and strings; OSError if the file cannot be written.
        """
        check_is_fitted(self)
        tensors = {"coef": self.coef_, "intercept": self.intercept_, **encode_classes(self.classes_)}
        if hasattr(self, "feature_names_in_"):
            names = encode_classes(self.feature_names_in_)
            tensors |= {FEATURE_NAMES + key: tensor for key, tensor in names.items()}
        parameters = self.get_params()
        if isinstance(self.class_weight, dict):
            # JSON knows no keys but strings.
            parameters["class_weight"] = [[_plain(key), float(value)] for key, value in self.class_weight.items()]
        if self.random_state is not None and not isinstance(self.random_state, Integral):
            parameters["random_state"] = None
        write_head(
            path,
            tensors,
            {
                "estimator": type(self).__name__,
                "parameters": {name: _plain(value) for name, value in parameters.items()},
                "beta": float(self.beta_),
                "decision": "argmax",
                "optimum": vars(self.optimum_),
                "training": vars(self.training_),
                "caller": self.header_ if header is None else header,
            },
        )

    def _validated(self, X: Any) -> Any:
        check_is_fitted(self)
        if hasattr(X, "columns"):
            return validate_data(self, X, reset=False, **_accepted(X))
        X = check_array(X, **_accepted(X), estimator=self, input_name="X")
        if X.shape[1] != self.n_features_in_:
            # In scikit-learn's words, which its checks look for.
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input."
            )
        return X

    def _blocks(self, X: Any) -> list[slice]:
        size = max(1, _SCORES // len(self.classes_))
        return [slice(start, start + size) for start in range(0, X.shape[0], size)]

    def _scores(self, X: Any) -> NDArray[np.floating[Any]]:
        scores = X @ self.coef_.T
        scores += self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def _logits(self, X: Any) -> NDArray[np.floating[Any]]:
        """Scores as (N, K); those of two classes are the columns (0, score)."""
        scores = self._scores(X)
        return scores if scores.ndim == 2 else np.column_stack([np.zeros_like(scores), scores])


def _accepted(X: object) -> dict[str, Any]:
    half = getattr(X, "dtype", None) == np.float16
    return {"accept_sparse": "csr", "dtype": np.float32 if half else [np.float64, np.float32]}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _scale(X: Any, sample_weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """What divides each feature: its standard deviation, or 1 where that is 0."""
    deviations = standard_deviations(X, sample_weight)
    return np.where(deviations > 0, deviations, 1.0)


def _start(previous, classes, features):
    """The head of an earlier fit as (K, D) and (K,) for these features, or None where there is none that fits."""
    if previous is None or not np.array_equal(previous[0], classes) or previous[1].shape[1] != features.shape[1]:
        return None
    _, weight, intercept = previous
    weight = features.scaled(weight)
    if len(classes) == 2:
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-intercept, intercept]) / 2
    return weight, intercept
