"""Cross-entropy and its gradient from the definition, in 60 digits, one example at a time.

loss = (1 - e) w_y (-ln p_y) + e / K sum_k w_k (-ln p_k), what PyTorch's `reduction="none"` gives; a weight of 0 takes
its term out even where the probability is 0.
"""

from mpmath import mp, mpf

from tests.oracles.softmax import DIGITS, log_softmax, softmax


def loss(row, label, *, class_weight=None, label_smoothing=0.0):
    """The loss of one example, as mpf; +inf where a term with weight is infinite."""
    with mp.workdps(DIGITS):
        log_p = log_softmax(row)
        terms = [
            (c, -value) for c, value in zip(_targets(row, label, class_weight, label_smoothing), log_p, strict=True)
        ]
        return mp.fsum(c * value for c, value in terms if c)


def gradient(row, label, *, class_weight=None, label_smoothing=0.0):
    """Its derivatives with respect to the logits, a list of mpf."""
    with mp.workdps(DIGITS):
        targets = _targets(row, label, class_weight, label_smoothing)
        total = mp.fsum(targets)
        return [total * p - c for p, c in zip(softmax(row), targets, strict=True)]


def _targets(row, label, class_weight, label_smoothing):
    weight = [mpf(1)] * len(row) if class_weight is None else [mpf(float(w)) for w in class_weight]
    smoothing, share = mpf(label_smoothing), mpf(label_smoothing) / len(row)
    return [share * w + ((1 - smoothing) * w if k == label else 0) for k, w in enumerate(weight)]
