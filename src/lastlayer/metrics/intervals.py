"""Bootstrap intervals of the log-loss and of the expected calibration error: what other rows would have said."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer
from lastlayer._threads import run_blocks
from lastlayer.kernels.resamples import resampled_sums

RESAMPLES = 1000
# Rows worth a dispatch to another thread.
_DISPATCH = 1 << 15
_ENOUGH = 40


class Intervals(NamedTuple):
    """(lowest, highest) of the log-loss in nats and of the expected calibration error."""

    log_loss: tuple[float, float]
    ece: tuple[float, float]


def bootstrap_intervals(
    bins: NDArray[np.int64],
    weight: NDArray[np.float64],
    loss: NDArray[np.float64],
    gap: NDArray[np.float64],
    confidence: float,
    random_state: Integer | np.random.Generator | None,
) -> Intervals:
    """Intervals that hold the figure with about this confidence, from 1,000 resamples of N rows.

    That of the log-loss is between two quantiles of the resamples. The calibration error is a sum of absolute values,
    which chance alone makes larger, in a resample once more than in the rows; so its interval is reflected about the
    figure, which takes that off (Davison & Hinkley 1997, Bootstrap methods and their application, section 5.2), and
    may lie below it. It begins at 0 where a calibrated model would show as much by chance (Bröcker & Smith 2007,
    Increasing the reliability of reliability diagrams).

    Args:
      bins: (N,) bin of each row's confidence.
      weight: (N,) weights > 0.
      loss: (N,) -ln p(label), in nats.
      gap: (N,) 1 or 0 for a right or wrong answer, less the confidence.
      confidence: between 0 and 1.
      random_state: a seed, a Generator to draw from, or None for a seed of the system's.
    """
    order = np.argsort(bins, kind="stable")
    edges = np.flatnonzero(np.diff(bins[order])) + 1
    edges = [0, *edges.tolist(), len(order)]
    weight = weight[order]
    loss, gap = weight * loss[order], weight * gap[order]
    # A resample's log-loss is infinite if one of these rows is in it; one of so many nearly always is.
    infinite = np.flatnonzero(np.isinf(loss))[:_ENOUGH]
    loss[np.isinf(loss)] = 0.0
    rng = np.random.default_rng(random_state)
    seeds = rng.integers(0, 2**64, RESAMPLES, dtype=np.uint64)
    log_losses, errors = np.empty(RESAMPLES), np.empty(RESAMPLES)

    def work(start, stop):
        sums, sums_of_row = np.empty((len(edges) - 1, 3)), np.empty(3)
        for r in range(start, stop):
            for part in range(len(sums)):
                resampled_sums(seeds[r], edges[part], edges[part + 1], weight, loss, gap, sums[part])
            total, share = sums[:, 0].sum(), sums[:, 1].sum()
            for row in infinite:
                resampled_sums(seeds[r], row, row + 1, weight, loss, gap, sums_of_row)
                share = math.inf if sums_of_row[0] else share
            with np.errstate(invalid="ignore", divide="ignore"):  # few rows may all be left out: NaN
                log_losses[r], errors[r] = share / total, np.abs(sums[:, 2]).sum() / total

    run_blocks(work, RESAMPLES, items_per_block=max(1, _DISPATCH // len(order)), blocks_per_thread=4)
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low_loss, high_loss = _quantiles(log_losses, tails)
    low_error, high_error = _quantiles(errors, tails)
    total = weight.sum()
    error = float(np.abs(np.add.reduceat(gap, edges[:-1])).sum() / total)
    # The variance of a right answer is confidence times the rest, whichever of the two the gap is.
    variance = np.add.reduceat(np.abs(gap) * (weight - np.abs(gap)), edges[:-1])
    by_chance = np.abs(rng.standard_normal((RESAMPLES, len(variance)))) @ np.sqrt(np.maximum(variance, 0)) / total
    lowest = 0.0 if error <= _quantiles(by_chance, tails)[1] else max(0.0, 2 * error - high_error)
    return Intervals((low_loss, high_loss), (lowest, min(1.0, max(0.0, 2 * error - low_error))))


def _quantiles(values, tails):
    # An entry, not a mean of two, of which one may be infinite.
    return tuple(float(q) for q in np.quantile(values[~np.isnan(values)], tails, method="inverted_cdf"))
