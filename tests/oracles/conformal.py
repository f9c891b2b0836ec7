"""Conformal prediction by its definition: a class is in the set unless its p-value is small."""

from fractions import Fraction


def in_plain_set(p, own, coverage):
    """Whether a class of probability `p` is in the set, by the probabilities `own` of the labels of other rows."""
    at_most = sum(other <= p for other in own) + 1
    return Fraction(at_most, len(own) + 1) > 1 - Fraction(str(coverage))


def chance_of_being_in_the_set(p, own, coverage):
    """The same where ties are broken by a draw: the chance that the smoothed p-value is large enough."""
    below, equal = sum(other < p for other in own), sum(other == p for other in own) + 1
    least_draw = ((1 - Fraction(str(coverage))) * (len(own) + 1) - below) / equal
    return 1 - min(max(least_draw, 0), 1)
