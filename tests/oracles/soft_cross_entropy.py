"""Cross-entropy against a whole distribution and its gradient from the definition, in 60 digits, one example at a time.

loss = sum_k t_k (-ln p_k) over the classes with t_k > 0, so that an impossible class without a target costs nothing;
gradient_k = (sum_j t_j) p_k - t_k. The targets are taken as they are, whatever they sum to.
"""

from mpmath import mp, mpf

from tests.oracles.softmax import DIGITS, log_softmax, softmax


def loss(row, targets):
    """The loss of one example, as mpf; +inf where a class at -inf has a target."""
    with mp.workdps(DIGITS):
        terms = zip(_exact(targets), log_softmax(row), strict=True)
        return mp.fsum(t * -log_p for t, log_p in terms if t)


def gradient(row, targets):
    """Its derivatives with respect to the logits, a list of mpf."""
    with mp.workdps(DIGITS):
        exact = _exact(targets)
        mass = mp.fsum(exact)
        return [mass * p - t for p, t in zip(softmax(row), exact, strict=True)]


def entropy(targets):
    """-sum_k t_k ln t_k, the least loss that a distribution allows, as mpf."""
    with mp.workdps(DIGITS):
        return mp.fsum(-t * mp.log(t) for t in _exact(targets) if t)


def _exact(targets):
    return [mpf(float(t)) for t in targets]
