"""sampled_binary_cross_entropy: one sigmoid for each true class and each sampled one, of a linear head."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Float
from lastlayer.kernels.sampled import sampled_binary_rows
from lastlayer.losses._on_candidates import as_problem, losses_and_gradients_of, losses_of
from lastlayer.losses.class_rows import SampledLossesAndGradients
from lastlayer.samplers import Candidates


@overload
def sampled_binary_cross_entropy(
    features: NDArray[Float],
    weight: NDArray[Float],
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[Float]: ...
@overload
def sampled_binary_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[np.floating[Any]]: ...
def sampled_binary_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
) -> NDArray[np.floating[Any]]:
    """Negative sampling: one sigmoid for each true class and each candidate of an example, summed, in nats.

    The logits of true classes and of candidates are corrected to z = x w + b - log(expected count among the
    candidates). A true class costs log(1 + exp(-z)), a candidate log(1 + exp(z)). Where the loss is least, x w + b is
    then log P(class | x), up to accidental hits, instead of the logarithm of its ratio to the expected count: scores of
    rare and common classes compare. With every class a candidate (a sampler gives all of them for S >= K) it is the
    binary cross-entropy of all classes, summed. Time and memory do not depend on K.

    Source: Mikolov et al. 2013, Distributed Representations of Words and Phrases, equation 4, where logits are not
    corrected; Gutmann and Hyvärinen 2010, Noise-contrastive estimation, whose correction this is.

    Args:
      features: (N, D) x, one example a row.
      weight: (K, D) w, one class a row.
      labels: (N,) integers in 0..K-1, or (N, M) for M true classes of an example. One that stands twice in a row counts
        once; -1 is none, so that rows may have fewer; a row of nothing else costs what its candidates do.
      candidates: S classes for all examples and their expected counts, from a sampler or made by hand.
      bias: (K,) b; None means 0.
      remove_accidental_hits: leave out a candidate that is a true class of the example.
    Returns: (N,) losses, in the dtype of features and weight (float16 computed in float32), summed in float64.

    Raises:
      ValueError: if shapes do not fit, a label or candidate is out of range, or a label is one that is never drawn (it
        names the first).
      TypeError: if labels are not integers, or candidates not Candidates.

    >>> import numpy as np
    >>> import lastlayer as ll
    >>> features, weight = np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0], [0.1, 0.0], [0.0, 1.0]])
    >>> drawn = ll.samplers.Candidates([1, 3], np.zeros(2), lambda labels: np.zeros(labels.shape))
    >>> sampled_binary_cross_entropy(features, weight, [0, 3], drawn).round(4).tolist()
    [2.1333, 1.0064]
    """
    problem = as_problem(features, weight, labels, candidates, bias, remove_accidental_hits, missing=np.inf)
    return losses_of(problem, _sigmoid_rows)


@overload
def sampled_binary_cross_entropy_value_and_grad(
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
def sampled_binary_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
    sample_weight: ArrayLike | None = None,
) -> SampledLossesAndGradients[np.floating[Any]]: ...
def sampled_binary_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    *,
    bias: ArrayLike | None = None,
    remove_accidental_hits: bool = True,
    sample_weight: ArrayLike | None = None,
) -> SampledLossesAndGradients[np.floating[Any]]:
    """sampled_binary_cross_entropy of each example, and the gradients of sum(sample_weight * losses).

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
    >>> drawn = sampler.sample(4)
    >>> result = sampled_binary_cross_entropy_value_and_grad(np.ones((2, 3)), np.zeros((1000, 3)), [5, 7], drawn)
    >>> result.losses.round(3).tolist(), result.weight.indices.tolist(), result.weight.values.shape
    ([22.106, 22.106], [5, 7, 269, 510, 635, 848], (6, 3))
    """
    problem = as_problem(
        features, weight, labels, candidates, bias, remove_accidental_hits, sample_weight, missing=np.inf
    )
    return losses_and_gradients_of(problem, _sigmoid_rows)


def _sigmoid_rows(logits, num_candidates, labels, with_gradient):
    losses = np.empty(len(logits))
    sampled_binary_rows(logits, num_candidates, labels.shape[1], losses, logits if with_gradient else None)
    return losses
