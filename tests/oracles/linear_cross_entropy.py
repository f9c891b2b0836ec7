"""The loss of a linear head and its gradients from the definition, in 60 digits, one example at a time.

z = c tanh((x . w_k + b_k) / c), or without the cap; loss = sum_k t_k (-ln p_k) + f (ln sum exp z)² with the targets of
tests.oracles.cross_entropy. A target of 0 takes its term out.
"""

from mpmath import mp, mpf

from tests.oracles.cross_entropy import _targets
from tests.oracles.softmax import DIGITS


def loss_and_gradients(features, weight, label, *, bias=None, soft_cap=None, z_loss=0.0, **options):
    """(loss, gradient of the features [D], of the weights [K][D], of the bias [K]) of one example, mpf."""
    with mp.workdps(DIGITS):
        x = [mpf(float(value)) for value in features]
        w = [[mpf(float(value)) for value in row] for row in weight]
        raw = [
            mp.fsum(a * b for a, b in zip(x, row, strict=True)) + (0 if bias is None else mpf(float(bias[k])))
            for k, row in enumerate(w)
        ]
        z = raw if soft_cap is None else [soft_cap * mp.tanh(value / soft_cap) for value in raw]
        log_sum = mp.log(mp.fsum(mp.exp(value) for value in z))
        t = _targets(z, label, options.get("class_weight"), options.get("label_smoothing", 0.0))
        loss = mp.fsum(c * (log_sum - value) for c, value in zip(t, z, strict=True) if c) + mpf(z_loss) * log_sum**2
        mass = mp.fsum(t) + 2 * mpf(z_loss) * log_sum
        slopes = [mass * mp.exp(value - log_sum) - c for value, c in zip(z, t, strict=True)]
        if soft_cap is not None:
            slopes = [slope * (1 - (value / soft_cap) ** 2) for slope, value in zip(slopes, z, strict=True)]
        of_features = [mp.fsum(slope * row[d] for slope, row in zip(slopes, w, strict=True)) for d in range(len(x))]
        return loss, of_features, [[slope * value for value in x] for slope in slopes], slopes


def statistics(features, weight, *, bias=None):
    """(logsumexp, predicted, entropy) of one example, mpf but for the class."""
    with mp.workdps(DIGITS):
        z = [
            mp.fsum(mpf(float(a)) * mpf(float(b)) for a, b in zip(features, row, strict=True))
            + (0 if bias is None else mpf(float(bias[k])))
            for k, row in enumerate(weight)
        ]
        log_sum = mp.log(mp.fsum(mp.exp(value) for value in z))
        entropy = -mp.fsum(mp.exp(value - log_sum) * (value - log_sum) for value in z)
        return log_sum, z.index(max(z)), entropy
