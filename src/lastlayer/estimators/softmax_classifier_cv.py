"""SoftmaxClassifierCV: a softmax head whose C is chosen on rows that it has not seen."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from lastlayer._arrays import Features, Integer, Number, as_sample_weight, positive_number, true_or_false
from lastlayer.estimators.c_path import (
    CPath,
    Rule,
    checked_Cs,
    checked_rule,
    head_of_chosen_C,
    say_nothing,
    warn_of_end,
)
from lastlayer.estimators.class_weight import ClassWeight
from lastlayer.estimators.exact_fit import exact_problem
from lastlayer.estimators.folds import Folds, splits_of
from lastlayer.estimators.labelled_rows import dtype_of_fit, labelled_rows, plain, whole_number
from lastlayer.estimators.linear_head import fit_features, labelled_features, name_of, validation_parts
from lastlayer.estimators.path_chart import path_chart
from lastlayer.estimators.progress import FitProgress
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier
from lastlayer.estimators.softmax_path import HeldOut, PathArguments, path_of_folds, path_of_validation
from lastlayer.linear import DenseFeatures
from lastlayer.metrics import ClassIndex


class SoftmaxClassifierCV(SoftmaxClassifier):
    """A SoftmaxClassifier that chooses C by the log-loss of rows that it has not seen, in nats.

    One search goes along rising C in each fold, and heads are judged on the fold's held-out rows; the head of all rows
    is then fitted to the optimum for the chosen C, and has everything that a SoftmaxClassifier's has. `save` writes a
    SoftmaxClassifier with C = C_. Memory beyond a SoftmaxClassifier's: a copy of one fold's rows at a time, and ten
    times the head.

    Args:
      Cs: a whole number n for the n values of LogisticRegressionCV, logarithmically from 1e-4 to 1e4, and one in the
        middle of each two, 2 n - 1 in all; or the values, which are sorted. Of values within a factor of 8 only the
        outer ones take iterations: heads between are interpolated, so that 96 values take about as long as 20.
      cv: how many folds, each with its share of every class, and every class of two rows or more in every training
        part; a splitter of scikit-learn's; or pairs (training rows, held-out rows). A number and `groups` keep groups
        together instead.
      rule: "least" for the C of the least mean log-loss; "one_standard_error" for the least C, hence the strongest
        penalty, whose mean log-loss is within one standard error of that.
      fit_intercept: as in SoftmaxClassifier.
      class_weight: as there, of each fold's training rows; held-out rows are weighted by sample_weight alone.
      tol: as there. Heads of the path are followed to a predicted decrease of 20 tol of the objective, or until their
        held-out log-loss moves by less than 30 tol of itself.
      max_iter: iterations at most, for each C and for the head of all rows.
      standardize: as there, by the deviations of each fold's training rows.
      random_state: seed of the folds, and of what SoftmaxClassifier draws. None is 0: the same fit each time.
      verbose: 1 shows a progress line on standard error.

    Attributes:
      C_: the C that was chosen.
      Cs_: (n,) the values of C, rising.
      log_losses_: (n, F) mean held-out log-loss of each C and fold, in nats, weighted by sample_weight; F is 1 for
        validation rows. Where it is far above the least, the head was not followed to its optimum.
      path_: a CPath: the same with means over folds, standard errors and iterations.

    What SoftmaxClassifier has besides: classes_, coef_, intercept_, beta_, optimum_, n_iter_, n_features_in_,
    feature_names_in_, training_ and header_.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> head = SoftmaxClassifierCV(Cs=[0.01, 1.0, 100.0, 10_000.0]).fit(X, y)
    >>> head.C_, head.log_losses_.shape
    (100.0, (4, 5))
    """

    C_: float
    Cs_: NDArray[np.float64]
    log_losses_: NDArray[np.float64]
    path_: CPath

    if TYPE_CHECKING:

        def set_fit_request(
            self,
            *,
            sample_weight: bool | str | None = None,
            groups: bool | str | None = None,
            validation: bool | str | None = None,
        ) -> Self:
            """As in scikit-learn."""
            raise NotImplementedError

    def __init__(
        self,
        *,
        Cs: Integer | ArrayLike = 10,
        cv: Folds = 5,
        rule: Rule = "least",
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        tol: Number = 1e-4,
        max_iter: Integer = 1000,
        standardize: bool = False,
        random_state: Integer | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.Cs: Integer | ArrayLike = Cs
        self.cv: Folds = cv
        self.rule: Rule = rule
        self.fit_intercept: bool = fit_intercept
        self.class_weight: ClassWeight = class_weight
        self.tol: Number = tol
        self.max_iter: Integer = max_iter
        self.standardize: bool = standardize
        self.random_state: Integer | np.random.RandomState | None = random_state
        self.verbose: int = verbose

    def fit(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        validation: tuple[Any, ...] | None = None,
    ) -> Self:
        """Choose C, and fit the head of all rows with it.

        Ctrl-C ends the path with KeyboardInterrupt, and the last fit at the best head so far, with a FitInterrupted
        warning.

        Args:
          X: (N, D) features, dense or sparse.
          y: (N,) labels: strings, integers or booleans.
          sample_weight: (N,) weights >= 0 of rows, in the fit and where they are held out.
          groups: (N,) what no fold may have in both parts, handed to `cv`.
          validation: rows to judge heads on in place of folds: (X, y), or (X, y, sample_weight).
        Raises: ValueError or TypeError, in one sentence, as SoftmaxClassifier.fit; for folds that leave nothing to
          learn or to judge; and for validation rows of other features or classes.
        """
        Cs, rule, tol = checked_Cs(self.Cs), checked_rule(self.rule), positive_number(self.tol, "tol")
        max_iter = whole_number(self.max_iter, "max_iter")
        fit_intercept = true_or_false(self.fit_intercept, "fit_intercept")
        standardize = true_or_false(self.standardize, "standardize")
        features, targets = labelled_features(self, X, y)
        rows = labelled_rows(
            *(features, targets, sample_weight),
            C=float(Cs[0]),
            class_weight=self.class_weight,
            standardize=standardize,
            dtype=dtype_of_fit(tol),
        )
        arguments = PathArguments(Cs, fit_intercept, self.class_weight, standardize, tol, max_iter)
        line = FitProgress() if self.verbose else None
        report = line.show if line is not None else say_nothing
        weight = as_sample_weight(sample_weight, len(rows.labels))
        weight = np.ones(len(rows.labels)) if weight is None else weight
        if validation is not None:
            if groups is not None:
                raise ValueError("groups: stand beside validation rows, expected one of them; leave one out.")
            held_out = self._held_out(validation, rows)
            problem = exact_problem(rows, fit_intercept=fit_intercept, random_state=self.random_state)
            path, start = path_of_validation(rows, problem, held_out, arguments, rule, report)
        else:
            generator = check_random_state(0 if self.random_state is None else self.random_state)
            splits = splits_of(self.cv, features, targets, rows.labels, weight, groups, generator)
            problem = exact_problem(rows, fit_intercept=fit_intercept, random_state=self.random_state)
            path, start = path_of_folds(features, rows, problem, weight, splits, arguments, rule, report)
        C = float(Cs[path.chosen])
        rows = replace(rows, penalty=rows.penalty * float(Cs[0]) / C)
        problem.penalty = rows.penalty
        self._fit_exact(features, rows, problem, C, tol, max_iter, start, name_of(y), line)
        self.C_, self.Cs_, self.log_losses_, self.path_ = C, Cs, path.log_losses, path
        warn_of_end(path, stacklevel=2)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    @property
    def partial_fit(self) -> NoReturn:
        """There is none: batches have no C to choose."""
        raise AttributeError(
            "partial_fit: SoftmaxClassifierCV has none, since one batch after another leaves no C to choose; fit it, "
            "and go on with SoftmaxClassifier(C=head.C_)."
        )

    def path_chart(self, width: Integer = 80) -> str:
        """The path as text in ASCII, lines of at most `width` columns: the log-loss of each C, and * for C_."""
        check_is_fitted(self)
        return path_chart(self.path_, int(width))

    def save(self, path: str | os.PathLike[str], header: dict[str, Any] | None = None) -> None:
        """Write the head to one .safetensors file, as SoftmaxClassifier.save does; `load` gives one with C = C_.

        Args:
          path: the file; an old one is replaced in one step.
          header: as in SoftmaxClassifier.save.
        Raises: as SoftmaxClassifier.save.
        """
        check_is_fitted(self)
        head_of_chosen_C(self, SoftmaxClassifier).save(path, header)

    def _held_out(self, validation, rows):
        """Validation rows that have a weight, checked."""
        X, y, sample_weight = validation_parts(validation)
        features: Any = fit_features(self, X, reset=False)
        y = np.asarray(y)
        if y.shape != (features.shape[0],):
            raise ValueError(
                f"validation: y is of shape {y.shape}, expected ({features.shape[0]},), one label for each row of X."
            )
        weight = as_sample_weight(sample_weight, len(y))
        weight = np.ones(len(y)) if weight is None else weight
        weighs = weight > 0
        index = ClassIndex(rows.classes)
        unknown = weighs & ~index.knows(y)
        if unknown.any():
            row = int(unknown.argmax())
            raise ValueError(
                f"validation: row {row} is {plain(y[row])!r}, expected one of the {len(rows.classes)} classes of y; "
                f"leave such rows out ({int(unknown.sum())} of {len(y)})."
            )
        if isinstance(features, np.ndarray) != isinstance(rows.features, DenseFeatures):
            features = features.toarray() if sp.issparse(features) else sp.csr_array(features)
        features = features if weighs.all() else features[weighs]
        return HeldOut(rows.features.like(features), index.find(y[weighs]), weight[weighs])
