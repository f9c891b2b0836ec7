"""SigmoidClassifierCV: a head of many labels whose C is chosen on rows that it has not seen."""

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
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
from lastlayer.estimators.folds import Folds, splits_of
from lastlayer.estimators.label_sets import answers_of, rarest_of
from lastlayer.estimators.labelled_rows import dtype_of_fit, feature_matrix, whole_number
from lastlayer.estimators.linear_head import fit_features, validation_parts
from lastlayer.estimators.path_chart import path_chart
from lastlayer.estimators.progress import FitProgress
from lastlayer.estimators.sigmoid_classifier import SigmoidClassifier
from lastlayer.estimators.sigmoid_path import (
    HeldOutLabels,
    LabelPathArguments,
    label_problem,
    path_of_label_folds,
    path_of_label_validation,
)
from lastlayer.linear import DenseFeatures


class SigmoidClassifierCV(SigmoidClassifier):
    """A SigmoidClassifier that chooses one C for all labels, by the log-loss of rows that it has not seen, in nats.

    Labels go in blocks along rising C in each fold, and heads are judged on the fold's held-out rows; the head of all
    rows is then fitted to the optima for the chosen C. `save` writes a SigmoidClassifier with C = C_.

    Args:
      Cs: a whole number n for 2 n - 1 values from 1e-4 to 1e4; or the values. As in SoftmaxClassifierCV.
      cv: how many folds, each with its share of the rows whose rarest label is the same; a splitter of scikit-learn's;
        or pairs (training rows, held-out rows). A number and `groups` keep groups together instead.
      rule: "least" for the C of the least mean log-loss; "one_standard_error" for the least C, hence the strongest
        penalty, whose mean log-loss is within one standard error of that. With validation rows that error is an upper
        bound, as if all labels rose and fell together.
      fit_intercept, class_weight, tol, max_iter, standardize, random_state, verbose: as in SigmoidClassifier;
        random_state deals the rows to folds, too.

    Attributes:
      C_: the C that was chosen.
      Cs_: (n,) the values, rising.
      log_losses_: (n, F) mean log-loss over rows and labels of each fold's held-out rows; of validation rows F is 1.
      path_: a CPath, all that is known of the path.
      The others are those of SigmoidClassifier.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 5))
    >>> Y = X[:, :3] + rng.standard_normal((200, 3)) > 0
    >>> head = SigmoidClassifierCV(Cs=[0.01, 0.1, 1, 10, 100]).fit(X, Y)
    >>> 0.01 < head.C_ < 100, head.log_losses_.shape
    (True, (5, 5))
    """

    C_: float
    Cs_: Any
    log_losses_: Any
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
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        validation: tuple[Any, ...] | None = None,
    ) -> Self:
        """Choose C, and fit the head of all rows with it.

        Args:
          X: (N, D) features, dense or sparse.
          y: the labels of each row, as in SigmoidClassifier.fit.
          sample_weight: (N,) weights >= 0 of rows, in the fit and where they are held out.
          groups: (N,) what no fold may have in both parts, handed to `cv`.
          validation: rows to judge heads on in place of folds: (X, y), or (X, y, sample_weight).
        Raises: ValueError or TypeError, in one sentence, as SigmoidClassifier.fit; for folds that leave nothing to
          learn or to judge; and for validation rows of other features or labels.
        """
        Cs, rule, tol = checked_Cs(self.Cs), checked_rule(self.rule), positive_number(self.tol, "tol")
        max_iter = whole_number(self.max_iter, "max_iter")
        fit_intercept = true_or_false(self.fit_intercept, "fit_intercept")
        standardize = true_or_false(self.standardize, "standardize")
        checked, sets, weight = self._checked(X, y, sample_weight)
        arguments = LabelPathArguments(Cs, fit_intercept, self.class_weight, standardize, tol, max_iter)
        line = FitProgress() if self.verbose else None
        report = line.show if line is not None else say_nothing
        features = feature_matrix(checked, weight, standardize=standardize, dtype=dtype_of_fit(tol))
        generator = check_random_state(0 if self.random_state is None else self.random_state)
        if validation is None:
            stratum = rarest_of(sets.answers)
            splits = splits_of(self.cv, checked, stratum, stratum, weight, groups, generator)
            problem = label_problem(features, sets, weight, arguments, generator=generator)
            path, start = path_of_label_folds(checked, features, sets, problem, weight, splits, arguments, rule, report)
        else:
            if groups is not None:
                raise ValueError("groups: stand beside validation rows, expected one of them; leave one out.")
            held_out = self._held_out(validation, features, sets)
            problem = label_problem(features, sets, weight, arguments, generator=generator)
            path, start = path_of_label_validation(problem, held_out, arguments, rule, report)
        C = float(Cs[path.chosen])
        problem.penalty = problem.penalty_of(C)
        self._fit_problem(problem, features, sets, y, C, tol, max_iter, start)
        self.C_, self.Cs_, self.log_losses_, self.path_ = C, Cs, path.log_losses, path
        warn_of_end(path, stacklevel=2)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def path_chart(self, width: Integer = 80) -> str:
        """The path as text in ASCII, lines of at most `width` columns: the log-loss of each C, and * for C_."""
        check_is_fitted(self)
        return path_chart(self.path_, int(width))

    def save(self, path: str | os.PathLike[str], header: dict[str, Any] | None = None) -> None:
        """Write the head to one .safetensors file, as SigmoidClassifier.save does; `load` gives one with C = C_.

        Args:
          path: the file; an old one is replaced in one step.
          header: as in SigmoidClassifier.save.
        Raises: as SigmoidClassifier.save.
        """
        check_is_fitted(self)
        head_of_chosen_C(self, SigmoidClassifier).save(path, header)

    def _held_out(self, validation, features, sets):
        """Validation rows that have a weight, checked."""
        given, y, sample_weight = validation_parts(validation)
        X: Any = fit_features(self, given, reset=False)
        answers = answers_of(y, sets.classes, X.shape[0], one_of_two=sets.one_of_two)
        weight = as_sample_weight(sample_weight, X.shape[0])
        weight = np.ones(X.shape[0]) if weight is None else weight
        weighs = np.flatnonzero(weight)
        if isinstance(features, DenseFeatures) == sp.issparse(X):
            X = X.toarray() if sp.issparse(X) else sp.csr_array(X)
        held_out = X if weighs.size == X.shape[0] else X[weighs]
        return HeldOutLabels(features.like(held_out), sp.csc_array(answers.tocsr()[weighs]), weight[weighs])
