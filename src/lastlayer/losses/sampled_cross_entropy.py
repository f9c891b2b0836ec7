"""sampled_cross_entropy: the softmax loss of a linear head over true classes and a sample of the others."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Float
from lastlayer._layouts import run_rows
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.kernels.targets import Distribution, Label
from lastlayer.losses._on_candidates import as_problem, losses_and_gradients_of, losses_of
from lastlayer.losses.class_rows import SampledLossesAndGradients
from lastlayer.samplers import Candidates

# Rows whose distributions are laid out at a time.
_ROWS = 32


@overload
def sampled_cross_entropy(
    features: NDArray[Float],
    weight: NDArray[Float],
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[Float]: ...
@overload
def sampled_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[np.floating[Any]]: ...
def sampled_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[np.floating[Any]]:
    """Sampled softmax: the cross-entropy of each example over its true classes and the candidates alone, in nats.

    Of the logits z = x w + b, those of true classes and of candidates are corrected to z - log(expected count among
    the candidates). So the candidates' sum of exponentials estimates that over the classes which are not true without
    bias. The label's own term is divided by its expected count too, and so the loss of an example is no estimate of
    its cross-entropy: it is less by about -log(expected count of the label), until S is so large that the label is
    drawn for certain, and its gradient is smaller too. A fit aims at the same weights nonetheless: where labels come as
    the softmax of the logits says, the gradient has mean 0 over examples and draws, as that of cross-entropy has,
    exactly with distinct Uniform candidates and nearly with the other samplers'.

    `Candidates(drawn.indices, drawn.log_expected_count, lambda labels: np.zeros(labels.shape))` counts the label once.
    Loss and gradient then estimate those of cross-entropy example by example, with a bias that falls as 1 / S; that of
    the loss is negative. With every class a candidate (a sampler gives all of them for S >= K) both are the
    cross-entropy itself. Time and memory do not depend on K. `python -m benchmarks sampled` prints the bias of the
    gradient of a batch.

    Source: Bengio and Senécal 2008, Adaptive importance sampling to accelerate training of a neural probabilistic
    language model; Jean et al. 2015, On using very large target vocabulary for neural machine translation.

    Args:
      features: (N, D) x, one example a row.
      weight: (K, D) w, one class a row.
      labels: (N,) integers in 0..K-1, or (N, M) for M true classes of an example, each with the target 1 / M. One that
        stands twice in a row counts once; -1 is none, so that rows may have fewer, and a row of nothing else costs 0.
      candidates: S classes for all examples and their expected counts, from a sampler or made by hand.
      bias: (K,) b; None means 0.
      remove_accidental_hits: leave out a candidate that is a true class of the example. It is the definition; without
        it, true classes that are drawn are counted twice.
    Returns: (N,) losses, in the dtype of features and weight (float16 computed in float32). A row whose logits hold NaN
      or +inf is NaN.

    Raises:
      ValueError: if shapes do not fit, a label or candidate is out of range, or a label is one that is never drawn (it
        names the first).
      TypeError: if labels are not integers, or candidates not Candidates.

    >>> import numpy as np
    >>> import lastlayer as ll
    >>> features, weight = np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0], [0.1, 0.0], [0.0, 1.0]])
    >>> drawn = ll.samplers.Candidates([1, 3], np.log([0.5, 0.5]), lambda labels: np.log(np.full(labels.shape, 0.5)))
    >>> sampled_cross_entropy(features, weight, [0, 3], drawn).round(4).tolist()
    [0.4076, 0.3133]
    """
    problem = as_problem(features, weight, labels, candidates, bias, remove_accidental_hits, missing=-np.inf)
    return losses_of(problem, _softmax_rows)


@overload
def sampled_cross_entropy_value_and_grad(
    features: NDArray[Float],
    weight: NDArray[Float],
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
    sample_weight: ArrayLike | None = None,
) -> SampledLossesAndGradients[Float]: ...
@overload
def sampled_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
    sample_weight: ArrayLike | None = None,
) -> SampledLossesAndGradients[np.floating[Any]]: ...
def sampled_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
    sample_weight: ArrayLike | None = None,
) -> SampledLossesAndGradients[np.floating[Any]]:
    """sampled_cross_entropy of each example, and the gradients of sum(sample_weight * losses).

    The gradients of weight and bias hold the rows of candidates and true classes only; all others are 0. Nothing of the
    size of the weights is formed, and logits only for some megabytes of rows at a time. The results do not depend on
    the number of threads.

    Args:
      features: (N, D), one example a row.
      weight: (K, D), one class a row.
      labels: (N,) integers in 0..K-1, or (N, M) for several true classes of an example, -1 for none.
      candidates: S classes for all examples and their expected counts.
      bias: (K,); None means 0.
      remove_accidental_hits: leave out a candidate that is a true class of the example.
      sample_weight: (N,) finite factors >= 0 of the losses in the sum; None means 1.
    Returns: a named tuple of `losses` (N,), which are not weighted, and the gradients `features` (N, D), `weight` and
      `bias`, two ClassRows, in the dtype of features and weight.

    Raises:
      ValueError: if shapes do not fit, a label or candidate is out of range, or a label is one that is never drawn (it
        names the first).
      TypeError: if labels are not integers, or candidates not Candidates.

    >>> import numpy as np
    >>> import lastlayer as ll
    >>> sampler = ll.samplers.Uniform(1000, random_state=0)
    >>> result = sampled_cross_entropy_value_and_grad(np.ones((2, 3)), np.zeros((1000, 3)), [5, 7], sampler.sample(4))
    >>> result.losses.round(3).tolist(), result.weight.indices.tolist(), result.weight.values.shape
    ([1.609, 1.609], [5, 7, 269, 510, 635, 848], (6, 3))
    """
    problem = as_problem(
        features, weight, labels, candidates, bias, remove_accidental_hits, sample_weight, missing=-np.inf
    )
    return losses_and_gradients_of(problem, _softmax_rows)


def _softmax_rows(logits, num_candidates, labels, with_gradient):
    losses, num_true = np.empty(len(logits)), labels.shape[1]
    if num_true == 1:
        target = Label(np.where(labels[:, 0] < 0, -1, num_candidates), 1.0)
        run_rows(SoftmaxLoss(target, 1.0, losses), 0, logits, logits if with_gradient else None)
        return losses
    share = (labels >= 0) / np.maximum(1, (labels >= 0).sum(1, keepdims=True))
    weight = np.zeros((min(_ROWS, len(logits)), logits.shape[1]), logits.dtype)
    for start in range(0, len(logits), _ROWS):
        rows = slice(start, min(start + _ROWS, len(logits)))
        weight[: rows.stop - start, num_candidates : num_candidates + num_true] = share[rows]
        operation = SoftmaxLoss(Distribution(weight), 1.0, losses[rows])
        run_rows(operation, 0, logits[rows], logits[rows] if with_gradient else None)
    return losses
