"""SoftmaxClassifier: a softmax head on features, with scikit-learn's conventions."""

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from lastlayer._arrays import Features, Integer, Number, as_sample_weight, checked_beta, positive_number, true_or_false
from lastlayer._stopwatch import stopwatch
from lastlayer.decision import Rule
from lastlayer.estimators.adopted_head import adopt_feature_names, adopt_softmax
from lastlayer.estimators.calibrated_beta import calibrated_beta, label_indices
from lastlayer.estimators.class_weight import ClassWeight
from lastlayer.estimators.decision_rule import (
    drop_rule,
    require_rule,
)
from lastlayer.estimators.exact_fit import exact_problem, fit_exact
from lastlayer.estimators.feature_scales import warn_of_scales
from lastlayer.estimators.fit_warnings import warn_of_limits, warn_of_sampled_limits
from lastlayer.estimators.fitted_head import head_before, keep_fitted, set_head
from lastlayer.estimators.labelled_batch import labelled_batch, online_classes
from lastlayer.estimators.labelled_rows import dtype_of_fit, labelled_rows, whole_number
from lastlayer.estimators.linear_head import calibration_features, labelled_features, name_of, validated
from lastlayer.estimators.notebook import NotebookSummary
from lastlayer.estimators.online_fit import online_fit_of
from lastlayer.estimators.progress import FitProgress, in_passes
from lastlayer.estimators.sampled_fit import check_sampling, fit_sampled, number_below
from lastlayer.estimators.save import save_head
from lastlayer.estimators.softmax_answers import (
    softmax_logits,
    softmax_logits_within,
    softmax_predictions,
    softmax_probabilities,
    softmax_scores,
    softmax_share_right,
    softmax_top_k,
)
from lastlayer.estimators.to_onnx import head_to_onnx
from lastlayer.estimators.to_torch import arrays_of_module, head_to_torch
from lastlayer.estimators.top_k_classes import TopKClasses
from lastlayer.estimators.training import Training
from lastlayer.functions import log_softmax
from lastlayer.samplers import Sampler
from lastlayer.solvers import Optimum

if TYPE_CHECKING:
    import onnx
    import torch


class SoftmaxClassifier(NotebookSummary, ClassifierMixin, BaseEstimator):
    """A linear softmax head, fitted to the optimum of scikit-learn's LogisticRegression objective.

        F(W, b) = sum_i s_i CE(x_i W' + b, y_i) / sum_i s_i + ||W||² / (2 C sum_i s_i),   in nats, b free

    Same C, same argmin. Two classes are fitted as LogisticRegression does, with one weight vector for the second
    class. X is neither copied nor centred if it is float32 or float64, in C or Fortran order, or CSR of one of these;
    float16 becomes float32, everything else float64. A two-dimensional numpy.memmap is fitted where it is, whatever its
    numbers are: they are converted a block at a time. Memory beyond X: logits twice, 8 N K bytes for float32 features
    with K rounded up to a multiple of 8, but at most 4 GiB, beyond which they are computed anew (of dense features in
    tiles, in the two products that an iteration takes anyway); about 30 times the head, K D numbers, for the solver; D²
    numbers for the curvature; in the end, for the bound, a part of the rows, at most 256 MiB or, if that is more, half
    of dense X up to 4 GiB; K² numbers and 16 K rows where logits are not kept.

    With `candidates`, for up to millions of classes, F is descended on minibatches of rows, in steps that score the
    labels of the minibatch and so many other classes, at a cost that does not depend on K. 2 % of the rows, fewer of
    many and more of few, are held out: their full softmax log-loss after each interval (a pass over the rows, or less
    of many rows, or more where that log-loss would cost more than the steps) tells when to stop. The head is the
    averaged one of least held-out log-loss: near the optimum, the nearer the more candidates, but there is no
    certificate. Memory beyond X is four times the head and 50 bytes a class or a row. The same seed gives the same head
    on any number of threads.

    Args:
      C: inverse strength of the penalty, > 0; inf is none, and then there is no bound on F - F*. Features of unit
        length want 10 to 100: C = 1 shrinks their scores hard, and `calibrate` repairs most of it, not all.
      fit_intercept: whether to fit b; it is not penalised.
      class_weight: None, "balanced", or a dict from class to factor of its rows' weight.
      tol: the fit ends where no entry of the gradient exceeds 0.45 tol and the quadratic model of F predicts a relative
        decrease below 100 tol; or, whatever the gradient's scale, below tol / 100. Below 1e-6 float32 features are
        computed with in float64, which takes twice as long, more where large fits would have gone through bfloat16, and
        twice the memory beyond X, and copies the numbers of CSR; optimum_ is that of the head before it is rounded to
        float32. With candidates: where three intervals in a row have not brought the held-out log-loss down by a share
        of tol.
      max_iter: iterations at most; each takes two products with X. With candidates: passes over the rows at most.
      standardize: whether the penalty is on the weights of features divided by their standard deviations, so that no
        feature's unit matters; X is not copied, and coef_ and intercept_ are for X as it is. The optimum is that of
        make_pipeline(StandardScaler(), SoftmaxClassifier()); without intercept, of StandardScaler(with_mean=False),
        since a head without intercept cannot tell where features are centred. Deviations count sample_weight, as
        StandardScaler's do, not class_weight. A column that is constant but for rounding is not scaled.
      warm_start: start from the last fit's head if it has the same classes and as many features.
      candidates: None for the full softmax, to the optimum; or S >= 1, how many sampled classes each minibatch is
        scored against. K or more of them are the full softmax, with an AllClassesWarning.
      sampler: a Sampler of `lastlayer.samplers` for the candidates, whose class k is classes_[k]; None is Unigram by
        the rows of each class, to the power 0.75. It draws by `random_state`, not by its own. Files do not keep it.
      checkpoint: the path of a file that keeps the whole state of a fit with candidates, replaced after each interval.
        If it is there when `fit` begins, the fit goes on from it, before warm_start, and ends as it would have without
        the break; a file of other data, or of other parameters than max_iter, is refused. It stays when the fit has
        ended.
      random_state: seed of the sample of rows that estimates the features' covariance when there are many; it changes
        the path to the optimum only. With candidates, of everything random. None is 0: the same fit each time.
      verbose: 1 shows a progress line on standard error.

    Attributes:
      classes_: (K,) labels in sorted order.
      coef_: (K, D), or (1, D) for two classes; in the dtype of the features.
      intercept_: (K,) or (1,).
      beta_: the inverse temperature of probabilities, softmax(beta_ * scores); 1 until `calibrate`.
      optimum_: an Optimum: objective, gradient norm, a bound on F - F* and what it is expected to be, why the fit
        stopped; with standardize, of F for the scaled features and their weights. With candidates the objective is
        that of the held-out rows, and there is no bound.
      decision_: the rule that `predict` applies; Argmax until `set_decision`.
      abstain_label_: what `predict` returns where the rule says "don't know".
      n_iter_: (1,) iterations; with candidates, passes over the rows; after `partial_fit`, steps.
      n_features_in_, feature_names_in_: as in scikit-learn. A DataFrame, of pandas or Polars, must have these columns
        in this order; an array of the right width is taken as it is.
      training_: a Training: how many rows made the head, the columns that they came from, and the held-out log-loss of
        a fit with candidates.
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

        def set_partial_fit_request(
            self, *, classes: bool | str | None = None, sample_weight: bool | str | None = None
        ) -> Self:
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
        candidates: Integer | None = None,
        sampler: Sampler | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
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
        self.candidates: Integer | None = candidates
        self.sampler: Sampler | None = sampler
        self.checkpoint: str | os.PathLike[str] | None = checkpoint
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
          than two classes, lengths that differ, or a checkpoint of another fit; UnwritableFile if a checkpoint cannot
          be written: the old one stays, and the estimator holds the best head so far.
        """
        C, tol = positive_number(self.C, "C", infinite=True), positive_number(self.tol, "tol")
        max_iter = whole_number(self.max_iter, "max_iter")
        check_sampling(self.candidates, self.sampler, self.checkpoint)
        previous = head_before(self) if true_or_false(self.warm_start, "warm_start") else None
        features, labels = labelled_features(self, X, y)
        standardize = true_or_false(self.standardize, "standardize")
        rows = labelled_rows(
            *(features, labels, sample_weight),
            C=C,
            class_weight=self.class_weight,
            standardize=standardize,
            dtype=dtype_of_fit(tol) if self.candidates is None else None,
        )
        start = None if previous is None else rows.start_of(*previous)
        name = name_of(y)
        candidates = number_below(self.candidates, len(rows.classes))
        fit_intercept = true_or_false(self.fit_intercept, "fit_intercept")
        if candidates is None:
            problem = exact_problem(rows, fit_intercept=fit_intercept, random_state=self.random_state)
            report = FitProgress() if self.verbose else None
            return self._fit_exact(features, rows, problem, C, tol, max_iter, start, name, report)
        report = FitProgress(in_passes) if self.verbose else None
        fitted = fit_sampled(
            rows,
            fit_intercept=fit_intercept,
            tol=tol,
            max_iter=max_iter,
            num_candidates=candidates,
            sampler=self.sampler,
            checkpoint=self.checkpoint,
            random_state=self.random_state,
            start=start,
            report=report,
        )
        if report is not None:
            report.close(fitted.shown())
        keep_fitted(self, fitted, rows, name)
        if fitted.failure is not None:
            raise fitted.failure
        warn_of_sampled_limits(fitted.optimum, fitted.log_loss, tol=tol, max_iter=max_iter)
        return self

    def _fit_exact(self, X, rows, problem, C, tol, max_iter, start, name, report):
        """Fit the problem that these rows make, and warn whoever called `fit`."""
        fitted = fit_exact(problem, tol=tol, max_iter=max_iter, start=start, report=report)
        if report is not None:
            report.close(fitted.shown())
        keep_fitted(self, fitted, rows, name)
        standardize = self.standardize
        warn_of_limits(fitted.optimum, problem.rows.dtype, C=C, tol=tol, max_iter=max_iter, standardize=standardize)
        if not standardize:
            names = getattr(self, "feature_names_in_", None)
            warn_of_scales(X, rows.weight, problem, fitted.weight, fitted.optimum, names, stacklevel=3)
        return self

    def partial_fit(
        self,
        X: Features,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Take a few steps along one batch of rows, from the head there is; shuffle rows before they come.

        The loss is the full softmax, or that of `candidates` sampled classes, by the rows seen so far unless there is a
        sampler. The head is the last iterate of row-wise AdaGrad: close to the optimum of `fit` after many batches, and
        no certificate. Each call sets beta_ to 1. tol, max_iter, warm_start and checkpoint are of no account.

        Args:
          X: (n, D) features, dense or sparse.
          y: (n,) labels, all of them among `classes`.
          classes: (K,) all labels that there will be; the first call needs them, unless there is a fitted head.
          sample_weight: (n,) weights >= 0; a row of weight 0 is as good as absent.
        Raises: ValueError or TypeError, in one sentence, as `fit`; for a label that is no class; and for a class_weight
          of "balanced", which needs all rows.
        """
        C = positive_number(self.C, "C", infinite=True)
        check_sampling(self.candidates, self.sampler, self.checkpoint)
        first = not hasattr(self, "coef_")
        known = None if first else self.classes_
        names = online_classes(classes, known)
        # A batch is small: also of a memmap it is converted as a whole.
        X = np.asarray(X) if isinstance(X, np.memmap) else X
        features, labels = labelled_features(self, X, y, reset=first)
        batch = labelled_batch(features, labels, names, sample_weight, self.class_weight)
        candidates = number_below(self.candidates, len(names))
        online = online_fit_of(self, len(names), batch.features)
        gradient = online.gradient(batch.labels, candidates, self.sampler, self.random_state)
        seconds = stopwatch()
        loss = online.learn(
            *(batch.features, batch.labels, batch.weight, gradient),
            C=C,
            fit_intercept=true_or_false(self.fit_intercept, "fit_intercept"),
            standardize=true_or_false(self.standardize, "standardize"),
        )
        optimum = Optimum(loss, math.nan, math.inf, online.steps, seconds(), "partial_fit")
        set_head(self, names, online.weight, online.bias, optimum)
        self.training_, self._online = Training(rows=online.rows), (online, self.coef_)
        return self

    def decision_function(self, X: Features) -> NDArray[np.floating[Any]]:
        """Scores, (N, K), or (N,) for two classes: those of the second. They are not multiplied by beta_."""
        return softmax_scores(self, validated(self, X))

    def predict(self, X: Features) -> NDArray[Any]:
        """The class of each row, (N,): what the decision rule answers.

        Without one it is the most probable class, of equal scores the first. A rule may answer "don't know",
        abstain_label_; a rule of sets gives (N, K) booleans, or CSR of them where K is large.
        """
        return softmax_predictions(self, validated(self, X))

    def score(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of rows that `predict` answers with their label; under a rule of sets, whose set holds it."""
        return softmax_share_right(self, validated(self, X), y, sample_weight)

    def set_decision(self, rule: Rule, *, abstain_label: Any = None) -> Self:
        """Let `predict` and `score` apply a decision rule, which `save` keeps; a new fit or calibration drops it.

        Args:
          rule: a rule of `lastlayer.decision`, chosen on probabilities of this head for rows that it has not seen.
          abstain_label: what `predict` returns for "don't know": a value of the classes' kind that is none of them; or
            None, and then predictions are an array of objects.
        Returns: self.
        Raises: TypeError or ValueError, in one sentence, for a rule of another number of classes, or a label that is a
          class, of another kind than classes, or of no use.
        """
        check_is_fitted(self)
        require_rule(rule, abstain_label, self.classes_, many_labels=False)
        self.decision_, self.abstain_label_ = rule, abstain_label
        return self

    def predict_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """Probabilities softmax(beta_ * scores), (N, K), each row summing to 1."""
        return softmax_probabilities(self, validated(self, X))

    def predict_log_proba(self, X: Features) -> NDArray[np.floating[Any]]:
        """log_softmax(beta_ * scores), (N, K), finite where probabilities underflow."""
        logits = softmax_logits(self, validated(self, X))
        return log_softmax(logits, beta=self.beta_, out=logits)

    def predict_top_k(self, X: Features, k: Integer) -> TopKClasses:
        """The `k` most probable classes of each row, as (labels (N, k), probabilities (N, k)); no (N, K) array.

        Memory is that of the answer and some tens of MB; probabilities are exact. Of equal scores the first class comes
        first.
        """
        return softmax_top_k(self, validated(self, X), k)

    def calibrate(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Set beta_ to the inverse temperature with the least log-loss on rows that the fit has not seen.

        Args:
          X: (M, D) features.
          y: (M,) labels, all of them among classes_.
          sample_weight: (M,) weights >= 0; a row of weight 0 is as good as absent.
        Returns: self.
        Warns: TemperatureWarning, if there is no best one (see `fit_temperature`), or if rows are fewer than classes.
        """
        features, y = calibration_features(self, X), np.asarray(y)
        if y.shape != (features.shape[0],):
            raise ValueError(f"y: shape is {y.shape}, expected ({features.shape[0]},), one label for each row of X.")
        weights = as_sample_weight(sample_weight, len(y))
        if weights is not None and not weights.all():
            kept = weights > 0
            features, y, weights = features[kept], y[kept], weights[kept]
        found = calibrated_beta(softmax_logits_within(self, features), label_indices(y, self.classes_), weights)
        self.beta_ = found.beta
        drop_rule(self, many_labels=False)
        self.training_ = replace(
            self.training_,
            held_out_rows=len(y),
            log_loss_before=found.log_loss_before,
            log_loss_after=found.log_loss_after,
        )
        return self

    def save(self, path: str | os.PathLike[str], header: dict[str, Any] | None = None) -> None:
        """Write the head to one .safetensors file, as a whole or not at all; `lastlayer.load` reads it back.

        Args:
          path: the file; an old one is replaced in one step.
          header: dict of JSON-able things of your own to remember with it, found again as header_; None keeps those
            that are there. A random_state that is no whole number is not kept, nor is a
            sampler.
        Raises: TypeError for labels other than numbers and strings; OSError if the file cannot be written.
        """
        check_is_fitted(self)
        save_head(self, path, self.header_ if header is None else header)

    def to_onnx(self, path: str | os.PathLike[str] | None = None, *, top: Integer | None = None) -> "onnx.ModelProto":
        """The head as an ONNX model in float32, which onnxruntime and others serve; docs/export.md tells its accuracy.

        From "features" (N, D) it computes "label" (N,) and "probabilities" (N, K); with `top`, "top_labels" and
        "top_probabilities" (N, top) besides. Labels are strings, int64, booleans or floats.

        Args:
          path: the file to write, as a whole or not at all; None writes none.
          top: how many of the most probable classes, 1 to K; None leaves them out.
        Raises: ValueError for weights that float32 cannot hold, a head of more than 2 GiB, or a `top` out of range;
          TypeError for labels other than numbers and strings; UnwritableFile if the file cannot be written;
          ModuleNotFoundError without the package onnx.
        """
        return head_to_onnx(self, path, top)

    def to_torch(self) -> "torch.nn.Sequential":
        """The head as PyTorch modules, Linear and TemperatureScaling, with copies of the weights in their dtype.

        predict_proba is the softmax of its output (N, K); of two classes the first has the logit 0.
        """
        return head_to_torch(self)

    @staticmethod
    def from_torch(linear: "torch.nn.Module", classes: ArrayLike) -> "SoftmaxClassifier":
        """A fitted head with copies of the weights of `linear`, to calibrate, evaluate, save or export.

        Args:
          linear: a torch.nn.Linear from D features to K logits, or to one, that of the second of two classes; or what
            `to_torch` makes.
          classes: (K,) distinct labels, in the order of the logits; classes_ and coef_ have them sorted.
        Returns: a head of whose optimum nothing is known.
        Raises: TypeError for another module; ValueError for weights that are not finite, or classes that do not fit.
        """
        weight, bias, beta = arrays_of_module(linear)
        head = SoftmaxClassifier(fit_intercept=bias is not None)
        adopt_softmax(head, weight, bias, classes, source="linear", beta=checked_beta(beta))
        return head

    @staticmethod
    def from_sklearn(model: Any) -> "SoftmaxClassifier":
        """A fitted head with the weights of a fitted LogisticRegression, the same predictions and probabilities.

        Args:
          model: a fitted LogisticRegression or LogisticRegressionCV, of two classes or multinomial.
        Returns: a head of whose optimum nothing is known.
        Raises: TypeError for another estimator; ValueError for one-vs-rest of more than two classes.
        """
        # Not at the top: a fit needs none of scikit-learn's estimators.
        from lastlayer.estimators.from_sklearn import parameters_of, require_multinomial

        require_multinomial(model)
        head = SoftmaxClassifier(**parameters_of(model))
        bias = np.broadcast_to(model.intercept_, len(model.coef_)).astype(model.coef_.dtype)
        iterations = int(np.max(model.n_iter_))
        adopt_softmax(head, np.array(model.coef_), bias, model.classes_, source="model", iterations=iterations)
        adopt_feature_names(head, model)
        return head
