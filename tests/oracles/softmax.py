"""softmax, log_softmax and their kin from the definition, in 60 digits."""

from functools import lru_cache

from mpmath import mp, mpf

DIGITS = 60


def softmax(row, beta=1.0):
    """Probabilities of a list of finite or -inf floats, as mpf."""
    with mp.workdps(DIGITS):
        exponentials = _exponentials(row, beta)
        total = mp.fsum(exponentials)
        return [value / total for value in exponentials]


def log_softmax(row, beta=1.0):
    """Log-probabilities of a list of finite or -inf floats, as mpf."""
    with mp.workdps(DIGITS):
        top = mpf(float(max(row)))
        log_sum = _log_sum(row, beta)
        return [mpf(beta) * (mpf(float(z)) - top) - log_sum for z in row]


def smooth_max(row, beta=1.0):
    """log(sum exp(beta z)) / beta of a list of finite or -inf floats, as mpf."""
    with mp.workdps(DIGITS):
        return mpf(float(max(row))) + _log_sum(row, beta) / mpf(beta)


def sigmoid(z):
    """1 / (1 + exp(-z)) of a float, as mpf."""
    with mp.workdps(DIGITS):
        return 1 / (1 + mp.exp(-mpf(float(z))))


def log_sigmoid(z):
    """-log(1 + exp(-z)) of a float, as mpf."""
    with mp.workdps(DIGITS):
        return -mp.log1p(mp.exp(-mpf(float(z))))


def relative_errors(values, expected):
    """|value - expected| / |expected| of two sequences; 0 where both are 0, inf where only one is."""
    with mp.workdps(DIGITS):
        return [_relative_error(mpf(float(v)), e) for v, e in zip(values, expected, strict=True)]


def scaled_errors(values, expected):
    """relative_errors / (1 + |ln e|) where an expected e is below 1.

    Such a loss or probability is about exp(-d) for a difference d of logits, whose own rounding is d units in its last
    place.
    """
    errors = relative_errors(values, expected)
    with mp.workprec(53):  # of the factor, not of the error
        return [
            error / (1 - float(mp.log(abs(e)))) if 0 < abs(e) < 1 else error
            for error, e in zip(errors, expected, strict=True)
        ]


def _relative_error(value, expected):
    if value == expected:
        return 0.0
    return float(abs(value - expected) / abs(expected)) if expected else float("inf")


def _exponentials(row, beta):
    return _exponentials_of(tuple(map(float, row)), beta)


@lru_cache(maxsize=64)  # a loss and its gradient ask for the same
def _exponentials_of(row, beta):
    top, beta = mpf(max(row)), mpf(beta)
    return [mp.exp(beta * (mpf(z) - top)) for z in row]


def _log_sum(row, beta):
    # 60 digits of the whole sum would not show a rest of 1e-70.
    return mp.log1p(mp.fsum(sorted(_exponentials(row, beta))[:-1]))
