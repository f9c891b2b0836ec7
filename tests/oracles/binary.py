"""Losses of one score against a target from 0 to 1, from the definition, in 60 digits, one entry at a time.

With p = 1 / (1 + exp(-z)): cross_entropy = w t (-ln p) + (1 - t) (-ln(1 - p)), likelihood = t (1 - p) + (1 - t) p. A
term whose factor is 0 is left out, even where its logarithm is infinite.
"""

from mpmath import mp, mpf

from tests.oracles.softmax import DIGITS


def cross_entropy(z, target, positive_weight=1.0):
    """The loss of one entry, as mpf; +inf where a term with a factor is infinite."""
    with mp.workdps(DIGITS):
        z, yes, no = mpf(float(z)), _yes(target, positive_weight), _no(target)
        terms = ((yes, -z), (no, z))
        return mp.fsum(factor * mp.log1p(mp.exp(exponent)) for factor, exponent in terms if factor)


def cross_entropy_slope(z, target, positive_weight=1.0):
    """Its derivative with respect to the score, as mpf."""
    for_no, for_yes = cross_entropy_slope_terms(z, target, positive_weight)
    with mp.workdps(DIGITS):
        return for_no - for_yes


def cross_entropy_slope_terms(z, target, positive_weight=1.0):
    """The two terms >= 0 whose difference the slope is, (1 - t) p and w t (1 - p), as mpf."""
    with mp.workdps(DIGITS):
        p, not_p = _sigmoids(z)
        return _no(target) * p, _yes(target, positive_weight) * not_p


def likelihood(z, target):
    """The probability of the wrong answer, as mpf."""
    with mp.workdps(DIGITS):
        p, not_p = _sigmoids(z)
        return mpf(float(target)) * not_p + _no(target) * p


def likelihood_slope(z, target):
    """Its derivative with respect to the score, as mpf."""
    with mp.workdps(DIGITS):
        p, not_p = _sigmoids(z)
        return (1 - 2 * mpf(float(target))) * p * not_p


def _sigmoids(z):
    """(p, 1 - p), each by itself."""
    z = mpf(float(z))
    return 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))


def _yes(target, positive_weight):
    return mpf(float(positive_weight)) * mpf(float(target))


def _no(target):
    return 1 - mpf(float(target))
