"""Prediction sets of a stated coverage, chosen on rows that the model has not seen: split conformal prediction."""

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Number, as_labels, share_between
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.prediction_sets import PredictionSets
from lastlayer.decision.probability_matrix import Probabilities, as_probability_matrix

# Ranks are whole numbers but for the rounding of coverage times rows.
_ROUNDING = 1e-9
# Thresholds of a randomised rule, at most: below, at, between and above two probabilities.
_LEVELS = 4


def choose_prediction_sets(
    probabilities: Probabilities,
    labels: ArrayLike,
    *,
    coverage: Number,
    randomised: bool = False,
    class_conditional: bool = False,
    rare: Literal["refuse", "always"] = "refuse",
) -> PredictionSets:
    """The sets of classes that hold the label of a new row with a chance of at least `coverage`, and no larger.

    A set holds the classes whose probability reaches a threshold: of all sets with that coverage these are the smallest
    on average, where the probabilities are right. They keep it where the probabilities are wrong, for new rows that are
    exchangeable with these. The chance is over both, these rows and the new one: it is of that size on average over
    many choices of N rows, and of one choice varies by about sqrt(coverage (1 - coverage) / N).

    With N rows the threshold is the ceil((N + 1) coverage)-th largest probability of a label. A new label reaches it
    with a chance of at least coverage, and less than 1 / (N + 1) more where probabilities are distinct. `randomised` is
    exact, equal probabilities included, in that a row takes one of up to four thresholds by chance. A set can be empty:
    where the model is right more often than `coverage` asks for, sets leave out what it is least sure of.

    Args:
      probabilities: (N, K) from 0 to 1, dense or sparse; what a sparse matrix does not store is 0, and it needs to
        store the probability of each row's label only.
      labels: (N,) integers from 0 to K - 1.
      coverage: above 0 and below 1.
      randomised: coverage is exact.
      class_conditional: coverage holds for the rows of each class, and each has its own threshold.
      rare: what becomes of a class that has fewer rows than coverage / (1 - coverage), on which no threshold can be
        chosen: "refuse", or "always" to put it into every set.
    Returns: a `PredictionSets`. Its evidence states the coverage on these rows, and as its bound that of a new row, the
      least of all classes where it is `class_conditional`.

    Memory beyond the arguments: O(N + K).

    Raises: ValueError if there are too few rows, with how many are needed; if the coverage is not to be had with fewer
      than all classes, with the most that is; for another shape or an entry out of range, naming the row.
    Source: Sadinle, Lei & Wasserman 2019, Least ambiguous set-valued classifiers with bounded error levels; Vovk,
      Gammerman & Shafer 2005, Algorithmic learning in a random world, section 2.2, for randomised sets.
    >>> p = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]]
    >>> choose_prediction_sets(p, [0, 0, 0, 1], coverage=0.6).threshold
    0.7
    """
    coverage = share_between(coverage, "coverage")
    if rare not in ("refuse", "always"):
        raise ValueError(f'rare: received {rare!r}, expected "refuse" or "always".')
    if rare == "always" and not class_conditional:
        raise ValueError('rare: received "always", which is for class_conditional=True.')
    p = as_probability_matrix(probabilities)
    labels = as_labels(labels, p.shape[1], p.shape[:1], scores="probabilities")
    own = _of_labels(p, labels)
    choose = _randomised if randomised else _plain
    if not class_conditional:
        _refuse_few_rows(len(own), coverage)
        order = np.sort(own)
        threshold, chance = choose(order, coverage)
        if threshold[-1] <= 0:
            raise ValueError(_all_classes(order, coverage, "rows"))
        reached, bound = _reached(order, threshold, chance), _bound(len(order), coverage, randomised)
    else:
        threshold, chance, reached, bound = _of_each_class(own, labels, p.shape[1], coverage, choose, rare)
        bound = coverage if randomised else bound
    evidence = Evidence(len(own), "coverage", coverage, reached, bound)
    if randomised:
        return PredictionSets(threshold, chance, evidence)
    return PredictionSets(threshold[0] if class_conditional else float(threshold[0]), None, evidence)


def _of_labels(p, labels):
    """(N,) float64 probabilities of the rows' own labels."""
    if not sp.issparse(p):
        return p[np.arange(len(labels)), labels].astype(np.float64)
    found = np.zeros(len(labels))
    rows = np.repeat(np.arange(len(labels)), np.diff(p.indptr))
    own = p.indices == labels[rows]
    found[rows[own]] = p.data[own]
    return found


def _of_each_class(own, labels, num_classes, coverage, choose, rare):
    """(J, K) thresholds and chances, the coverage on these rows and the least that new rows of a class have."""
    counts, needed = np.bincount(labels, minlength=num_classes), _fewest_rows(coverage)
    few = counts < needed
    if few.any() and rare == "refuse":
        k = int(few.argmax())
        raise ValueError(
            f"labels: class {k} has {counts[k]} rows, expected at least {needed} for a coverage of {coverage:g} of "
            f"each class ({int(few.sum())} of {num_classes} classes have fewer); pass more rows, or "
            'rare="always" to put such classes into every set.'
        )
    order = own[np.lexsort((own, labels))]
    ends = np.concatenate([[0], np.cumsum(counts)])
    threshold = np.zeros((_LEVELS, num_classes))
    chance = np.zeros((_LEVELS, num_classes))
    chance[0] = 1
    covered = float(counts[few].sum())
    for k in np.flatnonzero(~few):
        of_class = order[ends[k] : ends[k + 1]]
        levels, chances = choose(of_class, coverage)
        if levels[-1] <= 0:
            raise ValueError(_all_classes(of_class, coverage, f"rows of class {k}"))
        threshold[: len(levels), k], threshold[len(levels) :, k] = levels, levels[-1]
        chance[: len(levels), k] = chances
        covered += len(of_class) * _reached(of_class, levels, chances)
    bound = min((_bound(count, coverage, False) for count in np.unique(counts[~few]).tolist()), default=1.0)
    return threshold, chance, covered / len(own), bound


def _plain(order, coverage):
    """The threshold of ascending probabilities of labels, and its chance, as arrays of length 1."""
    return order[len(order) - _rank(len(order), coverage), None], np.ones(1)


def _randomised(order: NDArray[np.float64], coverage: float) -> tuple[Any, Any]:
    """Thresholds of ascending probabilities of labels, the largest first, and the chance of each.

    A class of probability p is in the set where the smoothed p-value of Vovk, Gammerman & Shafer, (#{p_i < p} + u
    (#{p_i = p} + 1)) / (N + 1) with u uniform from 0 to 1, is above 1 - coverage: where u exceeds a bound that falls as
    p grows, from step to step.
    """
    allowed = _near_whole((len(order) + 1) * (1 - coverage))
    values, counts = np.unique(order, return_counts=True)
    fewer = np.cumsum(counts) - counts
    # Steps: each probability, and what lies between it and the next.
    edges = np.stack([values, np.nextafter(values, 2)], axis=1).ravel()
    bounds = np.stack([(allowed - fewer) / (counts + 1), allowed - fewer - counts], axis=1).ravel()
    drawn = np.flatnonzero((bounds > 0) & (bounds < 1))[::-1]
    certain = int(np.argmax(bounds <= 0))
    threshold = edges[np.concatenate([[certain], drawn])]
    ends = np.concatenate([[0], bounds[drawn], [1]])
    return threshold, np.diff(ends)


def _rank(count, coverage):
    return int(np.ceil(_near_whole((count + 1) * coverage)))


def _near_whole(value):
    return round(value) if abs(value - round(value)) <= _ROUNDING * max(1.0, value) else value


def _fewest_rows(coverage):
    return max(1, int(np.ceil(_near_whole(coverage / (1 - coverage)))))


def _bound(count, coverage, randomised):
    return coverage if randomised else _rank(count, coverage) / (count + 1)


def _reached(order, threshold, chance):
    """The share of rows whose label is in its set, on average over draws."""
    return float(chance @ (len(order) - np.searchsorted(order, threshold)) / len(order))


def _refuse_few_rows(count, coverage):
    needed = _fewest_rows(coverage)
    if count < needed:
        raise ValueError(f"probabilities: {count} rows, expected at least {needed} for a coverage of {coverage:g}.")


def _all_classes(order, coverage, rows):
    possible = int(np.count_nonzero(order)) / (len(order) + 1)
    return (
        f"coverage: {coverage:g} would take sets of all classes, since the label has probability 0 in "
        f"{int((order == 0).sum())} of {len(order)} {rows}; expected at most {np.floor(possible * 1e4) / 1e4:g}."
    )
