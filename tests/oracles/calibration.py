"""Calibrations and their errors from their definitions: Python loops, 30 digits or exact fractions."""

import math
from fractions import Fraction

import mpmath


def softmax_of(row):
    """softmax of a list of numbers, -inf among them."""
    exponentials = [mpmath.exp(z) if z != -mpmath.inf else mpmath.mpf(0) for z in row]
    total = mpmath.fsum(exponentials)
    return [e / total for e in exponentials]


def entropy_share(row, beta):
    """The entropy of softmax(beta * row) over ln K."""
    shares = softmax_of([beta * mpmath.mpf(z) for z in row])
    return -mpmath.fsum(p * mpmath.log(p) for p in shares if p > 0) / mpmath.log(len(row))


def by_entropy(row, beta, certain, uncertain):
    """The probabilities of a row at its own inverse temperature, (1 - h) certain + h uncertain."""
    with mpmath.workdps(30):
        h = entropy_share(row, beta)
        own = (1 - h) * certain + h * uncertain
        return softmax_of([own * mpmath.mpf(z) for z in row])


def entropy_loss(logits, labels, weights, beta, certain, uncertain):
    """Weighted mean of -ln p(label) of `by_entropy`."""
    with mpmath.workdps(30):
        rows = zip(logits, labels, weights, strict=True)
        total = mpmath.fsum(-w * mpmath.log(by_entropy(z, beta, certain, uncertain)[y]) for z, y, w in rows)
        return total / mpmath.fsum(weights)


def by_vector(row, factors, shifts):
    """The probabilities of a row whose logits, less the mean of the possible ones, are scaled and shifted."""
    possible = [z for z in row if z != -math.inf]
    mean = math.fsum(possible) / len(possible)
    return softmax_of([f * (mpmath.mpf(z) - mean) + b for z, f, b in zip(row, factors, shifts, strict=True)])


def classwise_errors(probabilities, labels, weights, bins):
    """The expected calibration error of each class, over all rows, in exact fractions."""
    total = sum(map(Fraction, weights))
    errors = []
    for k in range(len(probabilities[0])):
        gaps = [Fraction(0)] * bins
        for row, label, weight in zip(probabilities, labels, weights, strict=True):
            place = max(math.ceil(Fraction(row[k]) * bins) - 1, 0)
            gaps[min(place, bins - 1)] += Fraction(weight) * (int(label == k) - Fraction(row[k]))
        errors.append(float(sum(map(abs, gaps)) / total))
    return errors


def smooth_error(confidence, gaps, weights, points=2000):
    """The smooth calibration error: a reflected Gaussian at every row, a Riemann sum, and bisection for the width."""
    grid = [(i + 0.5) / points for i in range(points)]

    def error(width):
        smoothed = [0.0] * points
        for f, gap, weight in zip(confidence, gaps, weights, strict=True):
            images = [sign * f + 2 * m for m in range(-2, 3) for sign in (1, -1)]
            for i, t in enumerate(grid):
                near = (abs(t - x) / width for x in images)
                smoothed[i] += weight * gap * sum(math.exp(-d * d / 2) for d in near if d < 9)
        scale = width * math.sqrt(2 * math.pi) * points * math.fsum(weights)
        return math.fsum(map(abs, smoothed)) / scale

    low, high = 1e-3, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return (low + high) / 2
