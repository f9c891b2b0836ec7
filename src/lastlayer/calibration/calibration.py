"""A calibration of any model's scores: fitted on held-out rows, applied to others."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_labels, as_sample_weight, checked_beta
from lastlayer.calibration.entropy_temperature import EntropyBetas, apply_entropy_betas, fit_entropy_betas
from lastlayer.calibration.rows import CalibrationRows
from lastlayer.calibration.score_kinds import SCORE_KINDS, ScoreKind, as_logits
from lastlayer.calibration.temperature import TemperatureWarning, solve_temperature, too_few_rows
from lastlayer.calibration.vector_scaling import VectorScaling, apply_vector_scaling, fit_vector_scaling
from lastlayer.functions import softmax

CalibrationMethod: TypeAlias = Literal["temperature", "entropy-temperature", "vector"]
CALIBRATION_METHODS: tuple[str, ...] = get_args(CalibrationMethod)


@dataclass(frozen=True)
class Calibration:
    """What makes honest probabilities of a model's scores; see `fit_calibration`.

    Attributes:
      method: "temperature", "entropy-temperature" or "vector".
      scores_are: what it takes: "logits", "log-probabilities" or "probabilities".
      beta: the inverse temperature, > 0; 1 leaves probabilities as they are. The other methods start from it.
      num_classes: K.
      rows: how many rows it was fitted on; rows of weight 0 do not count.
      entropy_betas: of "entropy-temperature", the inverse temperatures of a certain and of an uncertain row.
      vector: of "vector", a factor and a shift for each class.
      classes: what the columns of scores are called, None where nobody said.
    """

    method: CalibrationMethod
    scores_are: ScoreKind
    beta: float
    num_classes: int
    rows: int
    entropy_betas: EntropyBetas | None = None
    vector: VectorScaling | None = None
    classes: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        _require_one_of(self.method, CALIBRATION_METHODS, "method")
        _require_one_of(self.scores_are, SCORE_KINDS, "scores_are")
        checked_beta(self.beta)
        if (self.entropy_betas is None) == (self.method == "entropy-temperature"):
            raise ValueError(f"entropy_betas: received {self.entropy_betas!r} for method {self.method!r}.")
        if (self.vector is None) == (self.method == "vector"):
            raise ValueError(f"vector: received {type(self.vector).__name__} for method {self.method!r}.")
        for value in self.entropy_betas or ():
            checked_beta(value)
        for name, values in (
            ("classes", self.classes),
            *(() if self.vector is None else self.vector._asdict().items()),
        ):
            if values is not None and len(values) != self.num_classes:
                raise ValueError(f"{name}: {len(values)} of them, expected {self.num_classes}, one for each class.")
        if self.classes is not None and len({str(name) for name in self.classes}) < self.num_classes:
            raise ValueError("classes: one of them stands twice, expected each once.")
        if self.vector is not None and not all(map(math.isfinite, (*self.vector.factors, *self.vector.shifts))):
            raise ValueError("vector: holds a number that is not finite, expected finite factors and shifts.")

    def apply(self, scores: ArrayLike) -> NDArray[np.float32 | np.float64]:
        """Calibrated probabilities (N, K), in float64, or in float32 for scores of float32 or float16.

        Args:
          scores: (N, K) of the same kind, and in the same order of classes, as those of the fit.
        Raises: ValueError for another number of classes, or if a row is not of that kind, naming the first such row.

        >>> calibration = Calibration("temperature", "probabilities", beta=0.5, num_classes=2, rows=100)
        >>> calibration.apply([[0.8, 0.2]]).round(4).tolist()
        [[0.6667, 0.3333]]
        """
        logits = as_logits(scores, self.scores_are)
        if logits.shape[1] != self.num_classes:
            raise ValueError(f"scores: {logits.shape[1]} columns, expected {self.num_classes}, one for each class.")
        if self.entropy_betas is not None:
            return apply_entropy_betas(logits, self.beta, self.entropy_betas)
        if self.vector is not None:
            return apply_vector_scaling(logits, self.vector)
        return softmax(logits, beta=self.beta)


def fit_calibration(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    scores_are: ScoreKind,
    method: CalibrationMethod = "temperature",
    sample_weight: ArrayLike | None = None,
) -> Calibration:
    """The calibration with the least mean -ln p(label) on these rows, for scores of any model.

    Fit it on rows that the model was not trained on, and judge it on others. By method:

    * "temperature": softmax(beta * logits), one number; see `fit_temperature`. No prediction changes.
    * "entropy-temperature": two numbers, the beta of a row where the model is certain and that of one where it is not,
      and between them in proportion to the entropy of the row. No prediction changes. Source: Balanya et al. 2022,
      Adaptive Temperature Scaling for Robust Calibration of Deep Neural Networks.
    * "vector": a factor and a shift for each class, shrunk towards the temperature by as much as 3 folds of the rows
      choose. Predictions may change: it repairs a model whose classes are over- or under-predicted. Source: Guo et al.
      2017, On Calibration of Modern Neural Networks, section 4.2.

    Where no beta is best (see `fit_temperature`) every method is that temperature, and a warning says so.

    Args:
      scores: (N, K) numbers, K >= 2.
      labels: (N,) integers 0..K-1.
      scores_are: "logits", "log-probabilities" or "probabilities", of which the logarithms are logits; never guessed.
      method: one of the three.
      sample_weight: (N,) weights >= 0 of the rows; None weighs all alike. A row of weight 0 is not read.
    Returns: a `Calibration`.

    Raises:
      ValueError: if a row is not what `scores_are` says, or gives its label no chance at all, naming the first such
        row.
      TypeError: if the scores are no real numbers or the labels no integers.

    Warns:
      TemperatureWarning: if there is no best beta, or if there are fewer rows than classes.

    >>> probabilities = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]
    >>> calibration = fit_calibration(probabilities, [0, 0, 1, 1], scores_are="probabilities")
    >>> round(calibration.beta, 6)  # right 3 times in 4, where 9 in 10 were promised: ln 3 / ln 9
    0.5
    """
    _require_one_of(method, CALIBRATION_METHODS, "method")
    scores, labels, weight = _rows_that_weigh(scores, labels, sample_weight)
    logits = as_logits(scores, scores_are)
    rows = CalibrationRows(logits, labels, weight)
    num_rows, num_classes = rows.shape
    beta, reason = solve_temperature(rows)
    doubt = too_few_rows(num_rows, num_classes, beta) if reason is None else reason
    if doubt is not None:
        warnings.warn(f"fit_calibration: {doubt}", TemperatureWarning, stacklevel=2)
    betas = vector = None
    if method == "entropy-temperature":
        betas = EntropyBetas(beta, beta) if reason is not None else fit_entropy_betas(rows, beta)
    elif method == "vector":
        vector = VectorScaling((beta,) * num_classes, (0.0,) * num_classes)
        if reason is None:
            vector = fit_vector_scaling(logits, as_labels(labels, num_classes, (num_rows,)), weight, beta)
    return Calibration(method, scores_are, beta, num_classes, num_rows, betas, vector)


def _rows_that_weigh(scores, labels, sample_weight):
    """The three without rows of weight 0, which may hold anything; arrays that do not fit are for others to refuse."""
    if sample_weight is None:
        return scores, labels, None
    labels = np.asarray(labels)
    weight = as_sample_weight(sample_weight, len(labels))
    scores = scores if isinstance(scores, np.ndarray) else np.asarray(scores)
    if weight is None or weight.all() or len(scores) != len(labels):
        return scores, labels, weight
    kept = np.flatnonzero(weight)
    return scores[kept], labels[kept], weight[kept]


def _require_one_of(value, expected, name):
    if value not in expected:
        raise ValueError(f"{name}: received {value!r}, expected one of {', '.join(map(repr, expected))}.")
