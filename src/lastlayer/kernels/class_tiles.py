"""Softmax cross-entropy of logits that are seen a tile of classes at a time: sums first, residuals once they are whole.

With p = softmax(z) over all tiles, weights t_k, their sum m and a z-loss c, the loss of a row in nats is
sum_k t_k (-log p_k) + c L², where L is the row's logsumexp, and its slope in z_k is p_k (m + 2 c L) - t_k.

A tile is (V, T, lanes), as in `products`: T classes, and in vector v the rows from v lanes on. Entries at the maximum,
whose exponential is 1, are counted, and all others added, so that neither the loss of a confident right answer nor its
slope cancels, though its classes are spread over tiles. The label's logit comes from the same tile as its exponential,
so that no loss is below 0 (c aside). A slope leaves out probabilities below 2^-99 of the largest (2^-598 in float64).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import LOWEST, UNIT, exponential_in_units, plain_scale
from lastlayer.kernels.instructions import larger, where_at_least, where_equal
from lastlayer.kernels.lanes import maxima_of_lanes, sum_in_parts_of_lanes
from lastlayer.kernels.layouts import Lanes
from lastlayer.kernels.row_sums import log_of_sum
from lastlayer.kernels.soft_cap import slope_of_cap
from lastlayer.kernels.vectors import filled, lane_count, load, store

# The share of the exponents down to underflow beyond which a probability adds nothing to a gradient.
_IMPOSSIBLE = np.float32(0.52)
# Classes that are added plainly before their sum is added exactly.
_BLOCK = 8


class RowSums(NamedTuple):
    """What is known of rows after some of their tiles, (n,) each; `empty_sums` makes it.

    maxima: the largest logit. others, winners: the sum of exp(z - maximum) below it, and the number of logits at it.
    costs, masses: the sums of t_k (maximum - z_k) and of t_k over the common weights. spreads: the sum of
    exp(z - maximum) (maximum - z). labels: the logit of the label. best: int64, the first class at the maximum, where
    there are common weights or spreads.
    """

    maxima: NDArray[np.float64]
    others: NDArray[np.float64]
    winners: NDArray[np.float64]
    costs: NDArray[np.float64]
    masses: NDArray[np.float64]
    spreads: NDArray[np.float64]
    labels: NDArray[np.float64]
    best: NDArray[np.int64]


def empty_sums(num_rows: int) -> RowSums:
    """The sums of no tiles."""
    maxima, others, winners, costs, masses, spreads, labels = np.zeros((7, num_rows))
    maxima[:], labels[:] = -np.inf, np.nan
    return RowSums(maxima, others, winners, costs, masses, spreads, labels, np.zeros(num_rows, np.int64))


# Numbers of each lane that are handed from vectors to rows and back, in the logits' type: `scratch` (SCRATCH, lanes).
_TOP, _OTHERS, _WINNERS, _COST, _SPREAD, _PLACE = range(6)
_SHARE, _SLOPE, _SCALE = 1, 2, 3
SCRATCH = 6


@compiled
def sum_tile(logits, first, labels, common, spread, scratch, sums):
    """Add a tile to the sums of its rows.

    Args:
      logits: (V, T, lanes), the tile of the classes from `first` on.
      first: the first class.
      labels: (n,) int64, any class; n <= V lanes.
      common: (T,) weights of the tile's classes that every row has, in the logits' type, or None.
      spread: whether `spreads` are wanted.
      scratch: (SCRATCH, lanes) in the logits' type, overwritten.
      sums: RowSums of (n,), updated.
    """
    constants, lanes, (num_vectors, num_classes) = plain_scale(logits), lane_count(logits), logits.shape[:2]
    mass = 0.0
    if common is not None:
        for k in range(num_classes):
            mass += np.float64(common[k])
    for v in range(num_vectors):
        if spread or common is not None:
            top, place = _maximum_and_place(logits[v])
            store(scratch[_PLACE], 0, place)
        else:
            top = maxima_of_lanes(logits, Lanes(v, 0, lanes))
        # A maximum that is -inf counts as 0, so that nothing is NaN but NaN (trap 3).
        centre = where_equal(top, -np.inf, filled(logits, 0), top)
        others, lost, winners = sum_in_parts_of_lanes(logits, Lanes(v, 0, lanes), centre, constants, None)
        store(scratch[_TOP], 0, top)
        store(scratch[_OTHERS], 0, others + lost)
        store(scratch[_WINNERS], 0, winners)
        if common is not None:
            store(scratch[_COST], 0, _cost(logits[v], common, centre))
        if spread:
            store(scratch[_SPREAD], 0, _spread(logits[v], centre, constants))
        start = v * lanes
        for lane in range(min(lanes, labels.size - start)):
            i = start + lane
            maximum = np.float64(scratch[_TOP, lane])
            cost = np.float64(scratch[_COST, lane]) if common is not None else 0.0
            wide = np.float64(scratch[_SPREAD, lane]) if spread else 0.0
            label, best = labels[i] - first, 0
            if 0 <= label < num_classes:
                sums.labels[i] = logits[v, label, lane]
            if (spread or common is not None) and maximum > -np.inf:
                best = first + int(scratch[_PLACE, lane])
            _merge(
                sums,
                i,
                maximum,
                np.float64(scratch[_OTHERS, lane]),
                np.float64(scratch[_WINNERS, lane]),
                cost,
                mass,
                wide,
                best,
            )


@compiled
def merge_sums(sums, more):
    """Add to the RowSums of rows those of later classes."""
    for i in range(sums.maxima.size):
        if not np.isnan(more.labels[i]):
            sums.labels[i] = more.labels[i]
        _merge(
            sums,
            i,
            more.maxima[i],
            more.others[i],
            more.winners[i],
            more.costs[i],
            more.masses[i],
            more.spreads[i],
            more.best[i],
        )


@compiled(inline=True)
def _merge(sums, i, top, others, winners, cost, mass, spread, best):
    before = sums.maxima[i]
    if top > before:
        fall = top - before
        scale = math.exp(-fall)
        # What is not at the new maximum is among the others.
        shrunk = (sums.others[i] + sums.winners[i]) * scale
        if fall < np.inf:
            sums.spreads[i] = sums.spreads[i] * scale + shrunk * fall + spread
            sums.costs[i] += sums.masses[i] * fall + cost
        else:
            sums.spreads[i] = spread
            sums.costs[i] += cost
        sums.others[i] = shrunk + others
        sums.winners[i], sums.maxima[i], sums.best[i] = winners, top, best
    elif top == before:
        sums.winners[i] += winners
        sums.others[i] += others
        sums.spreads[i] += spread
        sums.costs[i] += cost
    else:
        # Where `top` is NaN, so are `others`.
        fall = before - top if top < before else 0.0
        scale = math.exp(-fall)
        shrunk = (others + winners) * scale
        sums.others[i] += shrunk
        sums.costs[i] += cost
        if fall < np.inf:
            sums.spreads[i] += spread * scale + shrunk * fall
            sums.costs[i] += mass * fall
    sums.masses[i] += mass


@compiled
def finish_sums(sums, label_weight, z_loss, losses, log_sums):
    """Write the losses (n,) and logsumexps (n,) of rows, float64, from the sums of all tiles.

    `label_weight` (n,) float64 is what t has at the label beyond the common weights.
    """
    for i in range(losses.size):
        top, weight = sums.maxima[i], label_weight[i]
        if not np.isfinite(top):
            losses[i] = log_sums[i] = np.nan
            continue
        log_sum = log_of_sum(sums.others[i], 0.0, sums.winners[i])
        log_sums[i] = top + log_sum
        cost = weight * (top - sums.labels[i]) if weight != 0.0 else 0.0
        loss = (weight + sums.masses[i]) * log_sum + cost + sums.costs[i]
        losses[i] = loss + z_loss * log_sums[i] * log_sums[i] if z_loss != 0.0 else loss


@compiled
def write_residuals(logits, first, cap, labels, label_weight, common, z_loss, row_scale, scratch, sums, log_sums):
    """Replace a tile's logits by `row_scale` times the slopes of the rows' losses, 0 for rows beyond n.

    Args:
      logits: (V, T, lanes), the tile of the classes from `first` on, overwritten.
      first: the first class.
      cap: the soft cap, float64, or 0; slopes are in the logits before it.
      labels: (n,) int64.
      label_weight: (n,) float64, as in finish_sums.
      common: as in sum_tile.
      z_loss: c above.
      row_scale: (n,) float64 factors.
      scratch: (SCRATCH, lanes) in the logits' type, overwritten.
      sums: RowSums of all tiles.
      log_sums: (n,) float64, their logsumexps.
    """
    constants, lanes, num_vectors = plain_scale(logits), lane_count(logits), logits.shape[0]
    unit = np.float64(constants[UNIT])
    for v in range(num_vectors):
        start = v * lanes
        count = min(lanes, labels.size - start)
        for lane in range(lanes):
            i = start + lane
            if lane < count and row_scale[i] != 0.0:
                slope = _slope_of_mass(sums, i, label_weight, z_loss, log_sums)
                scratch[_TOP, lane] = sums.maxima[i]
                scratch[_SHARE, lane] = 1.0 / ((sums.winners[i] + sums.others[i]) * unit)
                scratch[_SLOPE, lane] = slope * row_scale[i]
                scratch[_SCALE, lane] = row_scale[i]
            else:
                scratch[_TOP, lane] = np.inf
                scratch[_SHARE, lane] = scratch[_SLOPE, lane] = scratch[_SCALE, lane] = 0
        _write_slopes(logits[v], common, cap, scratch, constants)
        for lane in range(count):
            i = start + lane
            if row_scale[i] != 0.0:
                _correct(
                    logits[v], lane, i, first, cap, labels, label_weight, common, z_loss, row_scale[i], sums, log_sums
                )


@compiled(inline=True)
def _write_slopes(logits, common, cap, scratch, constants):
    top, share, slope = load(scratch[_TOP], 0), load(scratch[_SHARE], 0), load(scratch[_SLOPE], 0)
    if common is None and cap == 0.0:
        # Two factors: a small one would be lost in a product with the unit of the exponentials.
        for k in range(logits.shape[0]):
            store(logits[k], 0, _probable(_finite(load(logits[k], 0), top), constants) * share * slope)
    else:
        scale = load(scratch[_SCALE], 0)
        for k in range(logits.shape[0]):
            z = load(logits[k], 0)
            values = _probable(_finite(z, top), constants) * share * slope
            if common is not None:
                values = values - scale * common[k]
            store(logits[k], 0, values * slope_of_cap(z, cap) if cap != 0.0 else values)


@compiled(inline=True)
def _probable(below, constants):
    """exponential_in_units, but 0 below 2^-99 (float32) or 2^-598: near underflow, products take far longer."""
    return where_at_least(constants[LOWEST] * _IMPOSSIBLE, below, 0.0, exponential_in_units(below, constants))


@compiled(inline=True)
def _finite(z, top):
    """The difference z - top, -inf for the rows that cost nothing, whatever their logits."""
    return where_equal(top, np.inf, -np.inf, z - top)


@compiled(inline=True)
def _slope_of_mass(sums, i, label_weight, z_loss, log_sums):
    mass = label_weight[i] + sums.masses[i]
    return mass + 2.0 * z_loss * log_sums[i] if z_loss != 0.0 else mass


@compiled(inline=True)
def _correct(logits, lane, i, first, cap, labels, label_weight, common, z_loss, scale, sums, log_sums):
    """The slope at the label, and at a maximum that has half of the probability or more, where a difference cancels."""
    slope = _slope_of_mass(sums, i, label_weight, z_loss, log_sums)
    label, below, winners = labels[i] - first, sums.others[i], sums.winners[i]
    # Without common weights, only the label has a weight that can cancel.
    alone = sums.best[i] - first if common is not None else label if sums.labels[i] == sums.maxima[i] else -1
    if 0 <= label < logits.shape[0]:
        p = math.exp(sums.labels[i] - sums.maxima[i]) / (winners + below)
        value = scale * (slope * p - (label_weight[i] + _common_of(common, label)))
        logits[label, lane] = value * _slope_of_number(sums.labels[i], cap)
    if winners == 1.0 and below <= 1.0 and 0 <= alone < logits.shape[0]:
        t = _common_of(common, alone) + (label_weight[i] if alone == label else 0.0)
        value = scale * ((slope - t) - slope * (below / (winners + below)))
        logits[alone, lane] = value * _slope_of_number(sums.maxima[i], cap)


@compiled(inline=True)
def _maximum_and_place(logits):
    """The maximum of each lane and the first class at it, a number in the logits' type."""
    last = logits.shape[0] - 1
    top, place = load(logits[last], 0), filled(logits[last], last)
    for step in range(1, last + 1):
        k = last - step
        z = load(logits[k], 0)
        place = where_at_least(z, top, filled(logits[k], k), place)
        top = larger(z, top)
    return top, place


@compiled(inline=True)
def _cost(logits, common, centre):
    """Sum of t (centre - z) over classes with a weight."""
    nothing = filled(logits[0], 0)
    total, lost = nothing, nothing
    for start in range(0, logits.shape[0], _BLOCK):
        block = nothing
        for k in range(start, min(start + _BLOCK, logits.shape[0])):
            if common[k] != 0:
                block = block + (centre - load(logits[k], 0)) * common[k]
        total, error = exact_sum(total, block)
        lost = lost + where_equal(error, error, error, nothing)  # that of an infinite sum is NaN
    return total + lost


@compiled(inline=True)
def _spread(logits, centre, constants):
    """Sum of exp(z - centre) (centre - z), to which a logit of -inf adds 0."""
    nothing = filled(logits[0], 0)
    total, lost, per_unit = nothing, nothing, logits.dtype.type(1) / constants[UNIT]
    for start in range(0, logits.shape[0], _BLOCK):
        block = nothing
        for k in range(start, min(start + _BLOCK, logits.shape[0])):
            below = load(logits[k], 0) - centre
            values = exponential_in_units(below, constants) * per_unit
            block = block - where_equal(values, 0, nothing, values * below)
        total, error = exact_sum(total, block)
        lost = lost + error
    return total + lost


@compiled(inline=True)
def _common_of(common, k):
    return 0.0 if common is None else np.float64(common[k])


@compiled(inline=True)
def _slope_of_number(z, cap):
    return 1.0 - (z / cap) * (z / cap) if cap != 0.0 else 1.0
