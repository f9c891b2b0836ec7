"""Deville's systematic method by enumeration, in rational numbers: the probability of every sample.

Deville 1998; Tillé 2006, Sampling Algorithms, section 7.2: one unit from each stratum [j, j + 1) of the cumulated
inclusion probabilities, by the densities of the book rather than by what they amount to.
"""

from fractions import Fraction


def samples(probabilities):
    """The probability of each sample, by tuples of units, for inclusion probabilities below 1 whose sum is whole."""
    edges = [Fraction(0)]
    for probability in probabilities:
        edges.append(edges[-1] + Fraction(probability))
    found = {(): Fraction(1)}
    for j in range(int(edges[-1])):
        following = {}
        for chosen, chance in found.items():
            for unit, part in _next(edges, j, chosen):
                if part:
                    key = (*chosen, unit)
                    following[key] = following.get(key, 0) + chance * part
        found = following
    return found


def inclusion(found, num_units):
    """How likely each unit is to be in a sample."""
    return [sum(chance for chosen, chance in found.items() if unit in chosen) for unit in range(num_units)]


def _next(edges, j, chosen):
    """Pairs of a unit and its probability in stratum j, given what was chosen before."""
    crossing = next((k for k in range(len(edges) - 1) if edges[k] < j < edges[k + 1]), None)
    a, b = (j - edges[crossing], edges[crossing + 1] - j) if crossing is not None else (Fraction(0), Fraction(0))
    if crossing is not None and crossing in chosen:
        densities = ((Fraction(0), b, Fraction(0)), (b, Fraction(1), 1 / (1 - b)))
    else:
        densities = ((Fraction(0), b, 1 / (1 - a)), (b, Fraction(1), (1 - a - b) / ((1 - a) * (1 - b))))
    for k in range(len(edges) - 1):
        low, high = edges[k] - j, edges[k + 1] - j
        yield (
            k,
            sum(max(Fraction(0), min(high, stop) - max(low, start)) * density for start, stop, density in densities),
        )
