"""Decisions from their definitions: exact fractions and Python loops, one row at a time."""

import math
from fractions import Fraction


def binomial_tail(rows, wrong, accuracy):
    """P(Binomial(rows, 1 - accuracy) <= wrong), exactly."""
    right = Fraction(accuracy)
    return sum(math.comb(rows, k) * (1 - right) ** k * right ** (rows - k) for k in range(wrong + 1))


def start_ranks(num_rows, accuracy, risk):
    """As many starts as fit, each of 4 times as many rows; the first has the fewest rows that can pass its test."""
    for count in range(num_rows, 0, -1):
        first = 1
        while first < num_rows and binomial_tail(first, 0, accuracy) > risk / count:
            first += 1
        ranks = [first * 4**j for j in range(count)]
        if ranks[-1] < num_rows:
            return ranks
    return []


def answered_rows(scores, right, accuracy, risk):
    """How many rows may be answered: down the ranking row by row, with the level that each start brings."""
    accuracy, risk = Fraction(accuracy), Fraction(risk)
    ranking = sorted(zip(scores, right, strict=True), key=lambda row: (-row[0], row[1]))
    ranks = start_ranks(len(ranking), accuracy, risk)
    level, wrong, answered = Fraction(0), 0, 0
    for rank, (score, is_right) in enumerate(ranking, start=1):
        wrong += not is_right
        if level and (rank == len(ranking) or ranking[rank][0] < score):
            if binomial_tail(rank, wrong, accuracy) <= level:
                answered = rank
            else:
                level = Fraction(0)
        if rank in ranks:
            level += risk / len(ranks)
            within_the_surest = score == 1 and rank < len(ranking) and ranking[rank][0] == 1
            if not within_the_surest and binomial_tail(rank, wrong, accuracy) > level:
                level = Fraction(0)
    return answered


def least_cost_answer(row, cost, abstain_cost):
    """The class of the least expected cost, the first of equals; -1 where that is above `abstain_cost`."""
    costs = [
        sum(Fraction(p) * Fraction(of[answer]) for p, of in zip(row, cost, strict=True)) for answer in range(len(row))
    ]
    if abstain_cost is not None and min(costs) > Fraction(abstain_cost):
        return -1
    return costs.index(min(costs))


def corrected_prior(row, fitted_prior, prior):
    """Bayes' rule: the likelihood p(k) / fitted_prior(k), times the other prior, normalised."""
    joint = [Fraction(p) / Fraction(old) * Fraction(new) for p, old, new in zip(row, fitted_prior, prior, strict=True)]
    return [float(value / sum(joint)) for value in joint]
