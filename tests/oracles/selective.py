"""Risk, coverage and ranking from their definitions: Python loops and exact fractions."""

import math
from fractions import Fraction


def area_under_risk(confidence, right, weights):
    """The mean over rows of the share of wrong answers among the rows of at least their confidence."""
    rows = list(zip(confidence, right, map(Fraction, weights), strict=True))
    total = sum(w for _, _, w in rows)
    area = Fraction(0)
    for threshold, _, weight in rows:
        answered = [(r, w) for c, r, w in rows if c >= threshold]
        area += weight * sum((w for r, w in answered if not r), Fraction(0)) / sum(w for _, w in answered)
    return float(area / total)


def coverage_and_accuracy(confidence, right, weights, threshold):
    """Of the rows of at least a confidence; the accuracy is NaN without such rows."""
    rows = list(zip(confidence, right, map(Fraction, weights), strict=True))
    answered = [(r, w) for c, r, w in rows if c >= threshold]
    weight = sum((w for _, w in answered), Fraction(0))
    correct = sum((w for r, w in answered if r), Fraction(0))
    return float(weight / sum(w for _, _, w in rows)), float(correct / weight) if weight else math.nan


def largest_coverage(confidence, right, weights, accuracy):
    """The largest coverage of any threshold whose accuracy is at least this, a Fraction; 0 without one."""
    exact = []
    rows = list(zip(confidence, right, map(Fraction, weights), strict=True))
    for threshold in set(confidence):
        answered = [(r, w) for c, r, w in rows if c >= threshold]
        weight = sum(w for _, w in answered)
        if sum((w for r, w in answered if r), Fraction(0)) >= accuracy * weight:
            exact.append(weight)
    return float(max(exact, default=Fraction(0)) / sum(w for _, _, w in rows))


def area_under_roc(below, above):
    """The chance that one of `above`, pairs of number and weight, exceeds one of `below`; equals count half."""
    wins = pairs = Fraction(0)
    for a, v in above:
        for b, w in below:
            pairs += Fraction(v) * Fraction(w)
            wins += Fraction(v) * Fraction(w) * (Fraction(1) if a > b else Fraction(1, 2) if a == b else 0)
    return float(wins / pairs) if pairs else math.nan


def ranking_figures(scores, truth):
    """(share of pairs the wrong way round, labels down to the last own one, mean precision at own labels) of a row."""
    own = [k for k, has in enumerate(truth) if has]
    others = [k for k, has in enumerate(truth) if not has]
    if not own:
        return 0.0, 0, 1.0
    wrong = sum(scores[j] >= scores[k] for k in own for j in others)
    at_least = {k: [j for j, score in enumerate(scores) if score >= scores[k]] for k in own}
    precision = sum(Fraction(sum(bool(truth[j]) for j in at_least[k]), len(at_least[k])) for k in own) / len(own)
    loss = wrong / (len(own) * len(others)) if others else 0.0
    return loss, max(len(labels) for labels in at_least.values()), float(precision)


def average_precision(p, truth, weights):
    """The sum over distinct probabilities, from the highest, of the gain in recall times the precision."""
    rows = [row for row in zip(p, truth, map(Fraction, weights), strict=True) if row[2]]
    total = sum((w for _, has, w in rows if has), Fraction(0))
    if not total:
        return math.nan
    area = Fraction(0)
    for threshold in {q for q, _, _ in rows}:
        gained = sum((w for q, has, w in rows if has and q == threshold), Fraction(0))
        above = [(has, w) for q, has, w in rows if q >= threshold]
        area += gained / total * sum((w for has, w in above if has), Fraction(0)) / sum(w for _, w in above)
    return float(area)
