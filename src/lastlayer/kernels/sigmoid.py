"""The logistic function and its logarithm, entry by entry; arrays are one-dimensional, float32 or float64."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.logarithm import logarithm


@compiled
def sigmoid_entries(logits, probabilities):
    """Write 1 / (1 + exp(-z)) of each entry."""
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for i in range(logits.size):
        # Of exp(z) and exp(-z) the one that cannot overflow, so that small probabilities keep their relative accuracy.
        z = logits[i]
        smaller = exponential(-abs(z))
        probabilities[i] = (smaller if z < zero else one) / (one + smaller)


@compiled
def log_sigmoid_entries(logits, log_probabilities):
    """Write -log(1 + exp(-z)) of each entry."""
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for i in range(logits.size):
        z = logits[i]
        high, low = exact_sum(one, exponential(-abs(z)))
        log_probabilities[i] = (z if z < zero else zero) - logarithm(high, low)
