"""The logistic function and its logarithm, entry by entry; arrays are one-dimensional, of one type in `storage`."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.storage import constant, number, stored


@compiled
def sigmoid_entries(logits, probabilities):
    """Write 1 / (1 + exp(-z)) of each entry."""
    zero, one = constant(0, logits), constant(1, logits)
    for i in range(logits.size):
        # Of exp(z) and exp(-z) the one that cannot overflow, so that small probabilities keep their relative accuracy.
        z = number(logits[i])
        smaller = exponential(-abs(z))
        probabilities[i] = stored((smaller if z < zero else one) / (one + smaller), probabilities)


@compiled
def log_sigmoid_entries(logits, log_probabilities):
    """Write -log(1 + exp(-z)) of each entry."""
    zero, one = constant(0, logits), constant(1, logits)
    for i in range(logits.size):
        z = number(logits[i])
        high, low = exact_sum(one, exponential(-abs(z)))
        log_probabilities[i] = stored((z if z < zero else zero) - logarithm(high, low), log_probabilities)


@compiled
def sigmoid_backward_entries(logits, upstream, gradient):
    """Write g p (1 - p) of each entry, p = sigmoid(z) and g its upstream gradient."""
    one = constant(1, logits)
    for i in range(logits.size):
        # Neither factor is rounded away where the other is near 1.
        smaller = exponential(-abs(number(logits[i])))
        share = one / (one + smaller)
        gradient[i] = stored(number(upstream[i]) * (smaller * share * share), gradient)


@compiled
def log_sigmoid_backward_entries(logits, upstream, gradient):
    """Write g (1 - p) of each entry, p = sigmoid(z) and g its upstream gradient."""
    zero, one = constant(0, logits), constant(1, logits)
    for i in range(logits.size):
        z = number(logits[i])
        smaller = exponential(-abs(z))
        not_p = (one if z < zero else smaller) / (one + smaller)
        gradient[i] = stored(number(upstream[i]) * not_p, gradient)
