"""Bootstrap intervals of figures that are sums over rows, or made of them: what other rows would have said."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer, positive_number
from lastlayer._threads import run_blocks
from lastlayer.kernels.resamples import resampled_sums
from lastlayer.metrics.reliability import bin_of
from lastlayer.metrics.risk_coverage import area_under_risk

RESAMPLES = 1000
# Rows worth a dispatch to another thread, and rows that a thread looks at together.
_DISPATCH, _TOGETHER = 1 << 15, 1 << 10
ENOUGH = 40
# Groups of rows of like confidence, beside the bins, that the area under the risk-coverage curve is taken over.
_GROUPS = 200

Interval = tuple[float, float]


class Intervals(NamedTuple):
    """(lowest, highest) of figures of an `Evaluation`."""

    accuracy: Interval
    log_loss: Interval
    ece: Interval
    aurc: Interval


def as_confidence(intervals: object) -> float | None:
    """`intervals` as a number between 0 and 1, or None. Raises TypeError or ValueError for anything else."""
    if intervals is None:
        return None
    number = positive_number(intervals, "intervals")
    if not number < 1:
        raise ValueError(f"intervals: received {intervals!r}, expected a confidence below 1, such as 0.95.")
    return number


def bootstrap_intervals(
    confidence: NDArray[np.float64],
    weight: NDArray[np.float64],
    loss: NDArray[np.float64],
    right: NDArray[np.bool],
    bins: int,
    aurc: float,
    level: float,
    random_state: Integer | np.random.Generator | None,
) -> Intervals:
    """Intervals that hold the figure with about this confidence, from 1,000 resamples of N rows.

    Those of the accuracy, the log-loss and the area under the risk-coverage curve are between two quantiles of the
    resamples. The calibration error is a sum of absolute values, which chance alone makes larger, in a resample once
    more than in the rows; so its interval is reflected about the figure, which takes that off (Davison & Hinkley 1997,
    Bootstrap methods and their application, section 5.2), and may lie below it. It begins at 0 where a calibrated model
    would show as much by chance (Bröcker & Smith 2007, Increasing the reliability of reliability diagrams). The area of
    a resample is that over 200 groups of rows of like confidence, and moved by what the groups make of the rows.

    Args:
      confidence: (N,) largest probability of each row.
      weight: (N,) weights > 0.
      loss: (N,) -ln p(label), in nats.
      right: (N,) whether the prediction is the label.
      bins: how many bins of confidence the calibration error has.
      aurc: the area of the rows themselves.
      level: the confidence of the intervals, between 0 and 1.
      random_state: a seed, a Generator to draw from, or None for a seed of the system's.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, weight, loss, right = confidence[order], weight[order], loss[order], right[order]
    bin_edges = np.flatnonzero(np.diff(bin_of(confidence, bins))) + 1
    group_edges = np.linspace(0, len(order), _GROUPS + 1).astype(np.int64)
    edges = np.unique(np.concatenate([[0], bin_edges, group_edges]))
    # From groups to bins: the groups at which a bin begins.
    first_of_bin = np.searchsorted(edges, np.concatenate([[0], bin_edges]))
    gap, infinite = weight * (right - confidence), np.isinf(loss)
    columns = np.stack([weight, np.where(infinite, 0.0, weight * loss), weight * right, gap])
    rng = np.random.default_rng(random_state)
    seeds = resample_seeds(rng)
    sums = resampled(columns, edges, seeds)
    total, losses, rights, gaps = sums.sum(axis=1).T
    # A resample's log-loss is infinite if one of these rows is in it; one of so many nearly always is.
    for row in np.flatnonzero(infinite)[:ENOUGH]:
        losses[resampled(columns[:1], np.array([row, row + 1]), seeds)[:, 0, 0] > 0] = np.inf
    with np.errstate(invalid="ignore", divide="ignore"):  # few rows may all be left out: NaN
        gaps = np.abs(np.add.reduceat(sums[:, :, 3], first_of_bin, axis=1)).sum(axis=1) / total
        areas = area_under_risk(sums[:, :, 0], sums[:, :, 0] - sums[:, :, 2])
        accuracies, losses = rights / total, losses / total
    low_error, high_error = quantiles(gaps, level)
    of_bins = np.concatenate([[0], bin_edges])
    whole = weight.sum()
    error = float(np.abs(np.add.reduceat(gap, of_bins)).sum() / whole)
    # The variance of a right answer is confidence times the rest, whichever of the two the gap is.
    variance = np.add.reduceat(np.abs(gap) * (weight - np.abs(gap)), of_bins)
    by_chance = np.abs(rng.standard_normal((RESAMPLES, len(variance)))) @ np.sqrt(np.maximum(variance, 0)) / whole
    lowest = 0.0 if error <= quantiles(by_chance, level)[1] else max(0.0, 2 * error - high_error)
    of_groups = np.add.reduceat(columns[[0, 2]], edges[:-1], axis=1)
    moved = areas + aurc - area_under_risk(of_groups[0], of_groups[0] - of_groups[1])
    return Intervals(
        accuracy=quantiles(accuracies, level),
        log_loss=quantiles(losses, level),
        ece=(lowest, min(1.0, max(0.0, 2 * error - low_error))),
        aurc=quantiles(np.clip(moved, 0.0, 1.0), level),
    )


def resample_seeds(rng: np.random.Generator) -> NDArray[np.uint64]:
    """(RESAMPLES,) seeds, one a resample."""
    return rng.integers(0, 2**64, RESAMPLES, dtype=np.uint64)


def resampled(columns: NDArray[np.float64], edges: NDArray[np.int64], seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(R, P, C) sums of (C, N) `columns` over groups of rows between (P + 1,) `edges`, in each of R resamples."""
    sums = np.empty((len(seeds), len(edges) - 1, len(columns)))

    def work(start, stop):
        counts = np.empty(_TOGETHER)
        for r in range(start, stop):
            resampled_sums(seeds[r], edges, columns, counts, sums[r])

    num_rows = int(edges[-1] - edges[0])
    run_blocks(work, len(seeds), items_per_block=max(1, _DISPATCH // max(1, num_rows)), blocks_per_thread=4)
    return sums


def quantiles(values: NDArray[np.float64], level: float) -> Interval:
    """The two quantiles of `values`, NaN left out, between which a share `level` of them lies; NaN without any."""
    tails = (1 - level) / 2, (1 + level) / 2
    values = values[~np.isnan(values)]
    if not values.size:
        return np.nan, np.nan
    # An entry, not a mean of two, of which one may be infinite.
    low, high = np.quantile(values, tails, method="inverted_cdf")
    return float(low), float(high)
