"""The threshold below which to say "don't know", chosen on held-out rows for an accuracy that new rows will have."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lastlayer._arrays import Number, as_labels, share_between
from lastlayer.decision.abstain import Abstain
from lastlayer.decision.abstention_scores import AbstentionScore, checked_score, scores_of
from lastlayer.decision.accepted_rank import accepted_rank, fewest_rows, starts
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_rows import as_distributions

# An error says in thousandths what can be guaranteed instead; it is looked for in steps of so many, then of one.
_STEPS, _COARSE = 1000, 20


def choose_abstention(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    accuracy: Number,
    confidence: Number = 0.95,
    score: AbstentionScore = "max_probability",
) -> Abstain:
    """The lowest threshold at which the answers are right in a share of `accuracy`, certain to a `confidence`.

    With a probability of at least `confidence` over the draw of these rows, answers to new rows drawn like them, those
    at or above the threshold, are right with a probability of at least `accuracy`. That holds for the threshold that
    is chosen, for any model and any distribution; see `accepted_rank`. On these rows themselves the accuracy is
    higher by a margin for chance, some .005 of 3,000 rows at .97: a threshold at which it is just `accuracy` misses
    the target on new rows about every second time.

    Choose it on rows that neither the model nor its calibration has seen, drawn independently, and name the accuracy
    before looking at them: of several tries the best has been lucky.

    Args:
      probabilities: (N, K), rows of distributions.
      labels: (N,) integers 0..K-1.
      accuracy: share of the answers that is to be right, above 0 and below 1.
      confidence: how surely, above 0 and below 1.
      score: what is held against the threshold; see `abstention_score`.
    Returns: an `Abstain` with its `Evidence`; the threshold is 0 where every row may be answered.

    Raises:
      ValueError: if no threshold is certain to reach the accuracy, saying what these rows guarantee instead; if they
        are too few for any, saying how many are needed; or if a row is no distribution or a label no class.
      TypeError: if an argument is of the wrong kind.

    >>> probabilities = [[0.95, 0.05]] * 80 + [[0.6, 0.4]] * 20
    >>> labels = [0] * 80 + [0, 1] * 10
    >>> rule = choose_abstention(probabilities, labels, accuracy=0.95)
    >>> round(rule.threshold, 6), rule.evidence.answered, rule.apply([[0.1, 0.9], [0.3, 0.7]]).tolist()
    (0.775, 0.8, [1, -1])
    """
    target, certainty = share_between(accuracy, "accuracy"), share_between(confidence, "confidence")
    score = checked_score(score)
    rows = as_distributions(probabilities)
    truths = as_labels(labels, rows.shape[1], (len(rows),), scores="probabilities")
    risk = 1 - certainty
    if not starts(len(rows), target, risk):
        raise ValueError(
            f"probabilities: {len(rows)} rows, expected at least {fewest_rows(target, risk) + 1} for an accuracy of "
            f"{target:g} with a confidence of {certainty:g}, even if every answer is right; pass more held-out rows."
        )
    scores, right = scores_of(rows, score), rows.argmax(axis=1) == truths

    def answered_at(goal: float) -> int:
        return accepted_rank(scores, right, goal, risk)

    answered = answered_at(target)
    if not answered:
        raise ValueError(
            f"accuracy: no threshold guarantees {target:g} with a confidence of {certainty:g} on these {len(rows)} "
            f"rows; {_instead(answered_at, target, len(rows))}."
        )
    threshold = _threshold(scores, answered)
    evidence = Evidence(
        rows=len(rows),
        objective="accuracy",
        target=target,
        reached=float(right[scores >= threshold].mean()),
        bound=target,
        confidence=certainty,
        answered=answered / len(rows),
    )
    return Abstain(threshold, score, evidence)


def _threshold(scores, answered):
    """Half-way between the last score that is answered and the next, for rows whose last digits other ways change."""
    if answered == len(scores):
        return 0.0
    ranked = np.partition(scores, (len(scores) - answered - 1, len(scores) - answered))
    below, last = ranked[len(scores) - answered - 1], ranked[len(scores) - answered]
    middle = below + (last - below) / 2
    return float(middle if middle > below else last)


def _instead(rank_at: Callable[[float], int], target: float, num_rows: int) -> str:
    """What can be guaranteed: the accuracy, in thousandths, and how many rows are answered.

    The highest of every twentieth thousandth that can be, and bisection from there: what can be guaranteed need not
    shrink in every step, since the starts of the tests move with the target.
    """
    high = int(np.ceil(target * _STEPS))
    low = next((goal for goal in range(high - 1, 0, -_COARSE) if rank_at(goal / _STEPS)), 0)
    high = min(high, low + _COARSE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rank_at(middle / _STEPS) else (low, middle)
    if not low:
        return "nor any other accuracy; pass more held-out rows, or a better model"
    answered = rank_at(low / _STEPS)
    return (
        f"{low / _STEPS:g} can be, answering {answered} of them ({answered / num_rows:.1%}); ask for that, or pass "
        "more held-out rows"
    )
