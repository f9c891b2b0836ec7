"""SigmoidClassifier: a logistic regression for each of many labels, with scikit-learn's conventions."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from lastlayer._arrays import Features, Integer, Number, as_sample_weight, checked_beta, positive_number, true_or_false
from lastlayer.calibration import fit_label_scaling
from lastlayer.decision import Rule
from lastlayer.estimators.adopted_head import adopt_feature_names, adopt_sigmoid
from lastlayer.estimators.class_weight import ClassWeight, label_factors
from lastlayer.estimators.decision_rule import drop_rule, require_rule
from lastlayer.estimators.fit_warnings import warn_of_label_limits
from lastlayer.estimators.fitted_labels import set_labels
from lastlayer.estimators.label_sets import answers_of, label_sets
from lastlayer.estimators.labelled_rows import dtype_of_fit, feature_matrix, unscaled_weight, whole_number
from lastlayer.estimators.linear_head import calibration_features, fit_features, name_of, scores_of, validated
from lastlayer.estimators.notebook import NotebookSummary
from lastlayer.estimators.progress import LabelProgress
from lastlayer.estimators.save import save_head
from lastlayer.estimators.sigmoid_answers import (
    calibrated_scores,
    is_one_of_two,
    sigmoid_predictions,
    sigmoid_probabilities,
    sigmoid_share_right,
    sigmoid_top_k,
)
from lastlayer.estimators.to_onnx import head_to_onnx
from lastlayer.estimators.to_torch import arrays_of_module, head_to_torch
from lastlayer.estimators.top_k_classes import TopKClasses
from lastlayer.estimators.training import Training
from lastlayer.functions import log_sigmoid
from lastlayer.solvers import LocalLabels, Optimum, SigmoidRegression, minimise_labels

if TYPE_CHECKING:
    import onnx
    import torch


class SigmoidClassifier(NotebookSummary, ClassifierMixin, BaseEstimator):
    """A linear head of independent yes-or-no answers, many labels a row, each fitted to its own optimum.

        F_k(w, b) = sum_i s_ik BCE(x_i w + b, y_ik) / sum_i s_ik + ||w||² / (2 C sum_i s_ik),   in nats, b free

    For each label it is the objective of scikit-learn's LogisticRegression, and so the argmin of
    OneVsRestClassifier(LogisticRegression()): same C, same head. Labels are fitted side by side, up to 256 at a time,
    on one decomposition of the features' covariance. X is neither copied nor centred if it is float32 or float64, in C
    or Fortran order, or CSR of one of these. Y is never made dense. Memory beyond X: three numbers a row for each label
    that is fitted at a time, at most 400 MB a thread in float32, and D² numbers.

    Args:
      C: inverse strength of the penalty, > 0; inf is none, and then there is no bound on F - F*, but where a head
        separates the rows of a label.
      fit_intercept: whether to fit b; it is not penalised.
      class_weight: None; "balanced", so that the rows with a label weigh as much in total as those without; or a dict
        from label to the factor of the rows that have it.
      tol: a label has converged where no entry of its gradient exceeds 0.45 tol and the quadratic model of F predicts a
        relative decrease below 100 tol, or whatever the gradient below tol / 100; and where, besides, F is proved to
        lie within tol of its least value, relatively, or the model predicts less than tol / 100,000. Below 1e-6
        float32 features are computed with in float64, which takes twice as long and twice the memory beyond X, and
        copies the numbers of CSR.
      max_iter: iterations of a label at most; each takes two products with X.
      standardize: whether the penalty is on the weights of features divided by their standard deviations.
      warm_start: start from the last fit's head if it has the same labels and as many features.
      random_state: seed of the sample of rows that estimates the features' covariance when there are many; it changes
        the path to the optimum only. None is 0.
      verbose: 1 shows a progress line on standard error.

    Attributes:
      classes_: (K,) labels: 0..K-1 for an indicator, in sorted order for lists of labels; or the two classes, where y
        was one of two labels a row.
      coef_: (K, D), in the dtype of the features; (1, D) for one of two labels a row.
      intercept_: (K,) or (1,).
      beta_, bias_: (K,) or (1,) float64, of probabilities sigmoid(beta_ * scores + bias_); 1 and 0 until `calibrate`.
      constant_: (K,) or (1,) booleans, whether no row of the fit had the label, or every one. With an intercept, such
        a label has weights 0, and the probability of half a row in one more than there were.
      optima_: an Optimum for each row of coef_: objective, gradient norm, a bound on F - F*, why the fit stopped.
      optimum_: the same of all labels together: sums of objectives and bounds, the largest gradient norm.
      decision_: the rule that `predict` applies, until `set_decision` Thresholds(0.5), or of two classes Argmax.
      abstain_label_: of two classes, what `predict` returns where the rule says "don't know".
      n_iter_: (1,) iterations of the label that took most.
      n_features_in_, feature_names_in_: as in scikit-learn.
      training_: a Training: how many rows made the head, and the columns that they came from.
      header_: what `save` was told to remember; {} after a fit.

    >>> X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), [["low"], ["low"], [], ["high", "top"]]
    >>> head = SigmoidClassifier(C=100).fit(X, Y)
    >>> head.classes_.tolist(), head.predict(np.array([[-1.0], [4.0]])).tolist()
    (['high', 'low', 'top'], [[0, 1, 0], [1, 0, 1]])
    """

    classes_: NDArray[Any]
    coef_: NDArray[np.floating[Any]]
    intercept_: NDArray[np.floating[Any]]
    beta_: NDArray[np.float64]
    bias_: NDArray[np.float64]
    constant_: NDArray[np.bool_]
    optima_: list[Optimum]
    optimum_: Optimum
    decision_: Rule
    abstain_label_: Any
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
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Features, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the head. Ctrl-C stops at the best head so far, with a FitInterrupted warning.

        Args:
          X: (N, D) features, dense or sparse.
          y: the labels that each row has: an (N, K) indicator of 0 and 1, dense or sparse; N lists of labels, names or
            numbers, an empty one for a row without any; or (N,) labels of two classes, each row one of them.
          sample_weight: (N,) weights >= 0; a row of weight 0 is as good as absent.
        Raises: ValueError or TypeError, in one sentence, for parameters out of range, NaN or infinite features, a null
          or a label twice in a row, an indicator of other numbers, or lengths that differ.
        """
        C, tol = positive_number(self.C, "C", infinite=True), positive_number(self.tol, "tol")
        max_iter = whole_number(self.max_iter, "max_iter")
        previous = (
            (self.classes_, self.coef_, self.intercept_)
            if true_or_false(self.warm_start, "warm_start") and hasattr(self, "coef_")
            else None
        )
        checked, sets, weight = self._checked(X, y, sample_weight)
        standardize = true_or_false(self.standardize, "standardize")
        features = feature_matrix(checked, weight, standardize=standardize, dtype=dtype_of_fit(tol))
        problem = SigmoidRegression(
            LocalLabels(features, sets.answers, weight),
            label_factors(self.class_weight, sets.classes, sets.answers, weight, one_of_two=sets.one_of_two),
            C,
            fit_intercept=true_or_false(self.fit_intercept, "fit_intercept"),
            generator=check_random_state(0 if self.random_state is None else self.random_state),
        )
        start = None
        if (
            previous is not None
            and np.isfinite(previous[1]).all()
            and np.isfinite(previous[2]).all()
            and np.array_equal(previous[0], sets.classes)
            and previous[1].shape == (sets.answers.shape[1], checked.shape[1])
        ):
            start = features.scaled(previous[1]), previous[2]
        return self._fit_problem(problem, features, sets, y, C, tol, max_iter, start)

    def _checked(self, X, y, sample_weight):
        """Features, LabelSets and weights (N,) of the rows of a fit."""
        if y is None:
            # In scikit-learn's words, which its checks look for.
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        checked: Any = fit_features(self, X, reset=True)
        sets = label_sets(y, checked.shape[0])
        weight = as_sample_weight(sample_weight, checked.shape[0])
        return checked, sets, np.ones(checked.shape[0]) if weight is None else weight

    def _fit_problem(self, problem, features, sets, y, C, tol, max_iter, start):
        """Fit what these rows make, and warn whoever called `fit`."""
        report = LabelProgress() if self.verbose else None
        found = minimise_labels(problem, tol=tol, max_iter=max_iter, start=start, report=report)
        if report is not None:
            report.close()
        coef = unscaled_weight(features, found.weight)
        set_labels(self, sets.classes, coef, found.intercept, problem.constant, found.optima)
        self.training_ = Training(rows=features.shape[0], label=name_of(y))
        warn_of_label_limits(self, features.dtype, C=C, tol=tol, max_iter=max_iter)
        return self

    def decision_function(self, X: Features) -> NDArray[np.floating[Any]]:
        """Scores (N, K), or (N,) of the second of two classes. They are not multiplied by beta_."""
        scores = scores_of(validated(self, X), self.coef_, self.intercept_)
        return scores[:, 0] if is_one_of_two(self) else scores

    def predict(self, X: Features) -> NDArray[Any]:
        """What the decision rule answers: an (N, K) indicator of 0 and 1; or (N,) labels of two classes.

        Without a rule these are the labels that are more probable than not. Of two classes a rule may answer "don't
        know", abstain_label_, or with sets, (N, 2) booleans.
        """
        return sigmoid_predictions(self, validated(self, X))

    def set_decision(self, rule: Rule, *, abstain_label: Any = None) -> Self:
        """Let `predict` and `score` apply a decision rule, which `save` keeps; a new fit or calibration drops it.

        Args:
          rule: Thresholds of `lastlayer.decision`, chosen on probabilities of this head for rows that it has not seen;
            for two classes, any rule.
          abstain_label: of two classes, what `predict` returns for "don't know": a value of their kind that is neither;
            or None, and then predictions are an array of objects.
        Returns: self.
        Raises: TypeError or ValueError, in one sentence, for a rule of another number of labels or one that does not
          suit many labels, or an abstain_label that is a class, of another kind than classes, or of no use.
        """
        check_is_fitted(self)
        require_rule(rule, abstain_label, self.classes_, many_labels=not is_one_of_two(self))
        self.decision_, self.abstain_label_ = rule, abstain_label
        return self

    def predict_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """The probability of each label, (N, K), each for itself; or (N, 2) of the two classes, which sum to 1."""
        return sigmoid_probabilities(self, validated(self, X))

    def predict_log_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """The logarithm of predict_proba, finite where probabilities underflow."""
        scores = calibrated_scores(self, validated(self, X))
        if is_one_of_two(self):
            return np.column_stack([log_sigmoid(-scores), log_sigmoid(scores)])
        return log_sigmoid(scores)

    def predict_top_k(self, X: Features, k: Integer) -> TopKClasses:
        """The `k` most probable labels of each row, as (labels (N, k), probabilities (N, k)), each for itself.

        No (N, K) array is formed. Of equal scores the first label comes first.
        """
        return sigmoid_top_k(self, validated(self, X), k)

    def score(self, X: Features, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The share of rows all of whose labels `predict` gets right; of two classes, that it answers with theirs."""
        return sigmoid_share_right(self, validated(self, X), y, sample_weight)

    def calibrate(self, X: Features, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Set beta_ and bias_ to those with the least log-loss on rows that the fit has not seen.

        A label of few rows keeps near what all labels have in common; see `lastlayer.calibration.fit_label_scaling`.

        Args:
          X: (M, D) features.
          y: the labels of each row, as in `fit`, all of them among classes_.
          sample_weight: (M,) weights >= 0; a row of weight 0 is as good as absent.
        Returns: self.
        """
        features = calibration_features(self, X)
        answers = answers_of(y, self.classes_, features.shape[0], one_of_two=is_one_of_two(self))
        weight = as_sample_weight(sample_weight, features.shape[0])
        scores = scores_of(features, self.coef_, self.intercept_)
        found = fit_label_scaling(scores, answers, weight)
        before = _log_loss(scores, answers, weight)
        after = _log_loss(scores * found.beta + found.bias, answers, weight)
        self.beta_, self.bias_ = found.beta, found.bias
        drop_rule(self, many_labels=not is_one_of_two(self))
        rows = features.shape[0] if weight is None else int(np.count_nonzero(weight))
        self.training_ = replace(self.training_, held_out_rows=rows, log_loss_before=before, log_loss_after=after)
        return self

    def save(self, path: str | os.PathLike[str], header: dict[str, Any] | None = None) -> None:
        """Write the head to one .safetensors file, as a whole or not at all; `lastlayer.load` reads it back.

        Args:
          path: the file; an old one is replaced in one step.
          header: dict of JSON-able things of your own to remember with it, found again as header_; None keeps those
            that are there.
        Raises: TypeError for labels other than numbers and strings; OSError if the file cannot be written.
        """
        check_is_fitted(self)
        save_head(self, path, self.header_ if header is None else header)

    def to_onnx(self, path: str | os.PathLike[str] | None = None, *, top: Integer | None = None) -> "onnx.ModelProto":
        """The head as an ONNX model in float32, which onnxruntime and others serve; docs/export.md tells its accuracy.

        From "features" (N, D) it computes "probabilities" (N, K) and "labels" (N, K) booleans, which are more probable
        than not, in the order of classes_; of one of two classes a row, "label" (N,) as SoftmaxClassifier does. With
        `top`, "top_labels" and "top_probabilities" (N, top) besides.

        Args:
          path: the file to write, as a whole or not at all; None writes none.
          top: how many of the most probable labels, 1 to K; None leaves them out.
        Raises: as SoftmaxClassifier.to_onnx.
        """
        return head_to_onnx(self, path, top)

    def to_torch(self) -> "torch.nn.Sequential":
        """The head as a PyTorch module with copies of the weights in their dtype, beta_ and bias_ multiplied in.

        predict_proba is the sigmoid of its output (N, K).
        """
        return head_to_torch(self)

    @staticmethod
    def from_torch(linear: "torch.nn.Module", classes: ArrayLike) -> "SigmoidClassifier":
        """A fitted head with copies of the weights of `linear`, to calibrate, evaluate, save or export.

        Args:
          linear: a torch.nn.Linear from D features to K logits, each of a label for itself; or to one, that of the
            second of two classes of which a row has one.
          classes: (K,) distinct labels, in the order of the logits; classes_ and coef_ have them sorted.
        Returns: a head of whose optimum nothing is known.
        Raises: TypeError for another module; ValueError for weights that are not finite, or classes that do not fit.
        """
        weight, bias, beta = arrays_of_module(linear)
        head = SigmoidClassifier(fit_intercept=bias is not None)
        adopt_sigmoid(head, weight, bias, classes, source="linear", beta=checked_beta(beta))
        return head

    @staticmethod
    def from_sklearn(model: Any) -> "SigmoidClassifier":
        """A fitted head with the weights of OneVsRestClassifier(LogisticRegression()), the same probabilities.

        Args:
          model: the OneVsRestClassifier, fitted on an indicator or on two classes.
        Returns: a head of whose optimum nothing is known.
        Raises: TypeError for another model; ValueError if it chooses one of more than two classes, or if no row of its
          fit had a label, or every one.
        """
        # Not at the top: a fit needs none of scikit-learn's estimators.
        from lastlayer.estimators.from_sklearn import parameters_of, rows_of_labels

        weight, bias = rows_of_labels(model)
        head = SigmoidClassifier(**parameters_of(model.estimators_[0]))
        iterations = max(int(np.max(each.n_iter_)) for each in model.estimators_)
        adopt_sigmoid(head, weight, bias, model.classes_, source="model", iterations=iterations)
        adopt_feature_names(head, model)
        return head


def _log_loss(scores, answers, weight):
    """The mean over rows and labels of the binary cross-entropy, in nats."""
    losses = -log_sigmoid(-scores).astype(np.float64).sum(axis=1)
    chosen = sp.coo_array(answers)
    losses -= np.bincount(chosen.row, scores[chosen.row, chosen.col], len(losses))
    return float(np.average(losses, weights=weight)) / scores.shape[1]
