"""Steps of a head along batches of rows as they come, for `partial_fit`: full softmax, or sampled negatives.

The steps are those of RowAdaGrad in the metric of the features' variances so far. Features count about their mean so
far, if a head has an intercept to make up for it: weights move as they would for centred features, and intercepts by
what that shifts. The penalty is that of F for as much weight as has been seen. The head is the last iterate, no
average.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer.estimators.labelled_rows import all_rows, penalty_of
from lastlayer.estimators.sampled_fit import require_sampler, seed_of
from lastlayer.losses import ClassRows, linear_cross_entropy_value_and_grad, sampled_cross_entropy_value_and_grad
from lastlayer.samplers import Candidates, Sampler, Unigram
from lastlayer.solvers import RowAdaGrad

# Rows of a step at most and at least, and steps of a batch where there are rows enough.
_MOST_ROWS, _FEWEST_ROWS, _STEPS = 512, 16, 8
# First step of a row, where features have variance 1.
_RATE = 1.0
# The least variance of a column, as a share of the mean.
_LEAST_VARIANCE = 1e-3
# What a class that was in no batch counts as in the sampler, in rows.
_LEAST_COUNT = 0.5


class Gradient(NamedTuple):
    """Losses (n,) of a minibatch, and gradients of their weighted sum: rows of the weights, and (R,) of the biases."""

    losses: NDArray[Any]
    weight: ClassRows[Any]
    bias: NDArray[Any]


# Of the number of the step, features, labels, sample weights and a head (weight, bias).
GradientOf: TypeAlias = Callable[[int, Any, NDArray[np.int64], NDArray[np.float64], Any], Gradient]


def full_gradient(
    step: int, features: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64], head: Any
) -> Gradient:
    """Of the full softmax; it is as large as the head."""
    result = linear_cross_entropy_value_and_grad(features, head[0], labels, bias=head[1], sample_weight=weights)
    bias: Any = result.bias
    return Gradient(np.asarray(result.losses), ClassRows(np.arange(len(head[0])), result.weight), bias)


def sampled_gradient(num_candidates: int, sampler: Sampler, seed: int) -> GradientOf:
    """Of the labels and sampled candidates, drawn anew for each step from the seed."""

    def gradient(step, features, labels, weights, head):
        drawn = sampler.sample(num_candidates, np.random.default_rng([seed, step]))
        candidates = Candidates(drawn.indices, drawn.log_expected_count, lambda classes: np.zeros(classes.shape))
        result = sampled_cross_entropy_value_and_grad(
            features, head[0], labels, candidates, bias=head[1], sample_weight=weights
        )
        return Gradient(result.losses, result.weight, result.bias.values)

    return gradient


class OnlineFit:
    """A head that learns, and what it remembers of the rows so far.

    Attributes:
      weight, bias: (K, D) and (K,) float64, written in place.
      rows: seen so far, those of weight 0 left out.
      steps: taken so far.

    Args:
      weight: (K, D) float32 or float64.
      bias: (K,).
    """

    weight: NDArray[Any]
    bias: NDArray[np.float64]
    rows: int
    steps: int

    def __init__(self, weight: NDArray[Any], bias: NDArray[Any]):
        self.weight, self.bias = weight, np.array(bias, np.float64)
        self.rows, self.steps = 0, 0
        self._total = 0.0
        self._mean, self._deviations = np.zeros(weight.shape[1]), np.zeros(weight.shape[1])
        self._counts, self._sampler, self._counted = np.full(len(weight), _LEAST_COUNT), None, 0
        self._squares, self._touched = np.zeros(len(weight)), np.zeros(len(weight), np.int64)

    def gradient(
        self, labels: NDArray[np.int64], num_candidates: int | None, sampler: Sampler | None, random_state: Any
    ) -> GradientOf:
        """That of the full softmax, or of candidates, for a batch with these labels.

        Without a sampler it is Unigram by the rows of each class so far. Raises: as `require_sampler`.
        """
        if num_candidates is None:
            return full_gradient
        sampler = self._sampler_of(labels) if sampler is None else sampler
        require_sampler(sampler, len(self.weight), num_candidates)
        return sampled_gradient(num_candidates, sampler, seed_of(random_state))

    def learn(
        self,
        features: Any,
        labels: NDArray[np.int64],
        weights: NDArray[np.float64],
        gradient: GradientOf,
        *,
        C: float,
        fit_intercept: bool,
        standardize: bool,
    ) -> float:
        """Take a few steps along a batch, every row once, in the order they have.

        Args:
          features: (n, D) array or CSR matrix.
          labels: (n,) int64.
          weights: (n,) float64 >= 0.
          gradient: of a minibatch.
          C: as in SoftmaxClassifier.
          fit_intercept: whether biases move.
          standardize: whether the penalty is on weights of features divided by their standard deviations so far.
        Returns: the mean loss of the rows before the step that took them, in nats; NaN where no row has a weight.
        """
        return on_one_blas_thread(self._learn, features, labels, weights, gradient, C, fit_intercept, standardize)

    def _learn(self, features, labels, weights, gradient, C, fit_intercept, standardize):
        kept = np.flatnonzero(weights)
        if not len(kept):
            return float("nan")
        size, loss = min(max(len(kept) // _STEPS, _FEWEST_ROWS), _MOST_ROWS), 0.0
        for part in np.array_split(kept, -(-len(kept) // size)):
            rows = features[part].toarray() if sp.issparse(features) else np.ascontiguousarray(features[part])
            self._see(rows, weights[part])
            penalty = penalty_of(C, self._total, len(self.weight), self.weight.dtype)
            variance = self._deviations / self._total
            about = variance if fit_intercept else variance + self._mean**2
            least = _LEAST_VARIANCE * about.mean()
            metric = 1.0 / (about + (least if least > 0 else 1.0))
            if not self.steps:
                self._squares += rows.shape[1] / len(part) ** 2
            share = weights[part] / weights[part].sum()
            found = gradient(self.steps, rows, labels[part], share, (self.weight, self.bias))
            loss += float(np.dot(found.losses, weights[part]))
            self._move(found, fit_intercept, metric, penalty * (variance if standardize else np.ones_like(variance)))
        return loss / float(weights[kept].sum())

    def _sampler_of(self, labels):
        """Unigram by the rows of each class so far, these labels included; made anew when there are twice as many."""
        np.add.at(self._counts, labels, 1.0)
        if self._sampler is None or self.rows + len(labels) >= 2 * self._counted:
            self._sampler, self._counted = Unigram(self._counts), self.rows + len(labels)
        return self._sampler

    def _see(self, rows, weights):
        """Count rows in the mean and the variance (Chan, Golub & LeVeque 1983)."""
        share, wide = weights / weights.sum(), rows.astype(np.float64)
        mean = share @ wide
        total = self._total + weights.sum()
        shift = mean - self._mean
        self._deviations += weights @ (wide - mean) ** 2 + shift**2 * (self._total * weights.sum() / total)
        self._mean += shift * (weights.sum() / total)
        self._total = total
        self.rows += len(rows)

    def _move(self, found, fit_intercept, metric, penalty):
        descent = RowAdaGrad(self.weight, self.bias, None, self._squares, self._touched, steps=self.steps, rate=_RATE)
        if not fit_intercept:
            descent.step(found.weight, None, metric, penalty)
        else:
            classes, values = found.weight
            values -= np.outer(found.bias, self._mean).astype(values.dtype)
            before = self._scores_of_mean(classes)
            descent.step(found.weight, found.bias, metric, penalty)
            self.bias[classes] += before - self._scores_of_mean(classes)
        self.steps = descent.steps

    def _scores_of_mean(self, classes):
        rows = self.weight if len(classes) == len(self.weight) else self.weight[classes]
        return np.einsum("kd,d->k", rows, self._mean)


def online_fit_of(model: Any, num_classes: int, features: Any) -> OnlineFit:
    """What learns a batch of `model`: what learned its last one, or a new one from its head, or from none.

    Args:
      model: SoftmaxClassifier, fitted or not.
      num_classes: K.
      features: (n, D), in whose dtype a head begins.
    """
    if not hasattr(model, "coef_"):
        return OnlineFit(np.zeros((num_classes, features.shape[1]), features.dtype), np.zeros(num_classes))
    online, coef = getattr(model, "_online", None) or (None, None)
    if online is not None and coef is model.coef_:
        return online
    weight, intercept = all_rows(model.coef_, model.intercept_, num_classes)
    return OnlineFit(np.array(weight), intercept)
