"""Losses of one score against a target from 0 to 1, entry by entry; every array is one-dimensional."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.logarithm import logarithm


@compiled
def binary_cross_entropy_entries(logits, targets, positive_weight, losses, gradient):
    """Write w t log(1 + exp(-z)) + (1 - t) log(1 + exp(z)) of each entry, in nats, and its derivative.

    A term whose factor is 0 is 0 where its logarithm is infinite.

    Args:
      logits: (n,) float32 or float64.
      targets: (n,) of the same type, as all others.
      positive_weight: (P,) factors w, finite; they repeat along the entries.
      losses: (n,), written; or None.
      gradient: (n,), written; or None.
    """
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for start in range(0, logits.size, positive_weight.size):
        for j in range(min(positive_weight.size, logits.size - start)):
            z, target = logits[start + j], targets[start + j]
            yes, no = positive_weight[j] * target, one - target
            # Of exp(z) and exp(-z) the one that cannot overflow.
            smaller = exponential(-abs(z))
            if losses is not None:
                high, low = exact_sum(one, smaller)
                # log1p(exp(-|z|)), never infinite, and NaN where z is.
                common = logarithm(high, low)
                of_yes = yes * (common + max(-z, zero)) if yes != zero else zero * common
                of_no = no * (common + max(z, zero)) if no != zero else zero * common
                losses[start + j] = of_yes + of_no
            if gradient is not None:
                share = one / (one + smaller)
                of_smaller = smaller * share
                p, not_p = (of_smaller, share) if z < zero else (share, of_smaller)
                gradient[start + j] = no * p - yes * not_p


@compiled
def binary_likelihood_entries(logits, targets, losses, gradient):
    """Write t (1 - p) + (1 - t) p of each entry, p = sigmoid(z), and, unless `gradient` is None, its derivative.

    Args:
      logits: (n,) float32 or float64.
      targets: (n,) of the same type, as all others.
      losses: (n,), written.
      gradient: (n,), written; or None.
    """
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for i in range(logits.size):
        z, target = logits[i], targets[i]
        smaller = exponential(-abs(z))
        share = one / (one + smaller)
        of_smaller = smaller * share
        p, not_p = (of_smaller, share) if z < zero else (share, of_smaller)
        losses[i] = target * not_p + (one - target) * p
        if gradient is not None:
            gradient[i] = (one - (target + target)) * (p * not_p)
