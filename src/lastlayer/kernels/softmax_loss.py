"""The softmax cross-entropy of a row and of lanes, against any of `targets`, and its gradient while they are in cache.

With p = softmax(z) and s a factor, the loss is sum_k t_k (-log p_k), in nats, and its gradient s (p sum t - t). Where
one class has p from 1/2 to 1 that would cancel: it is (sum t - t) - (1 - p) sum t, where 1 - p is the share of all
others. Elsewhere p is at most 1/2, so that no label's slope cancels.

A row with NaN or +inf, or all -inf, is NaN.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, plain_scale
from lastlayer.kernels.instructions import where_at_least, where_equal
from lastlayer.kernels.lanes import maxima_of_lanes, store_lanes, sum_in_parts_of_lanes
from lastlayer.kernels.layouts import implement, where_wanted
from lastlayer.kernels.row_sums import log_of_sum, row_maximum, sum_in_parts
from lastlayer.kernels.targets import (
    Label,
    is_ignored,
    label_of,
    labels_of_lanes,
    less_weights,
    mass_and_cost,
    mass_and_cost_of_lanes,
    weight_of,
    weights_of_lanes,
    zero_where_ignored,
)
from lastlayer.kernels.vectors import filled, lane_count, load, load_first, store, store_first


class SoftmaxLoss(NamedTuple):
    """The losses of examples, and `scale` times their gradients where the kernel is given an array for them.

    target: one of `targets`. scale: float64. losses: flat float64, written; they are not scaled.
    """

    target: Any
    scale: float
    losses: NDArray[np.float64]


def _of_row(operation, example, logits, i, result):
    target, losses = operation.target, operation.losses
    if is_ignored(target, example):
        losses[example] = 0.0
        if result is not None:
            result[i, :] = 0
        return
    constants = plain_scale(logits)
    top = row_maximum(logits[i])
    mass, cost = mass_and_cost(target, example, logits[i], top)
    if result is None:
        others, others_low, winners = sum_in_parts(logits[i], top, constants, None)
        losses[example] = mass * log_of_sum(others, others_low, winners) + cost
    else:
        others, others_low, winners = sum_in_parts(logits[i], top, constants, result[i])
        losses[example] = mass * log_of_sum(others, others_low, winners) + cost
        gradient, unit, scale, below = result[i], np.float64(constants[UNIT]), operation.scale, others + others_low
        total, label = winners + below, label_of(target, example)
        of_label = np.float64(gradient[max(label, 0)]) / unit
        most = winners == 1.0 and below <= 1.0  # which has half of the probability or more
        alone = _place_of_maximum(target, example, gradient, constants[UNIT]) if most else -1
        _write_slopes(operation, example, gradient, mass * scale, 1.0 / (total * unit))
        if label >= 0:
            gradient[label] = scale * (mass * of_label / total - weight_of(target, example, label))
        if alone >= 0:
            gradient[alone] = scale * ((mass - weight_of(target, example, alone)) - mass * (below / total))


@compiled(inline=True)
def _write_slopes(operation, example, gradient, mass, share):
    """Replace exponentials by share times mass times themselves, less the scaled weights; labels are left out."""
    width = lane_count(gradient)
    whole = gradient.size - gradient.size % width
    # Two factors: a small mass would be lost in one with the unit of the exponentials.
    for j in range(0, whole, width):
        values = load(gradient, j) * share * mass
        store(gradient, j, less_weights(values, operation.target, example, j, width, operation.scale))
    if whole < gradient.size:
        count = gradient.size - whole
        values = load_first(gradient, whole, count, 0) * share * mass
        store_first(
            gradient, whole, less_weights(values, operation.target, example, whole, count, operation.scale), count
        )


def _place_of_maximum(target, example, exponentials, unit):
    """Where the exponentials reach `unit`; -1 if they do so only where the weight is 0, and nothing can cancel."""
    raise NotImplementedError


@overload(_place_of_maximum, jit_options={"error_model": "numpy"})
def _choose_place_of_maximum(target, example, exponentials, unit):
    def at_label(target, example, exponentials, unit):
        label = target.labels[example]
        return label if exponentials[label] >= unit else -1

    def anywhere(target, example, exponentials, unit):
        place = 0
        while exponentials[place] < unit:
            place += 1
        return place

    return at_label if target.instance_class is Label else anywhere


def _of_lanes(operation, example, logits, where, result, workspace):
    target, constants, tile = operation.target, plain_scale(logits), workspace.exponentials
    top, labels = maxima_of_lanes(logits, where), labels_of_lanes(target, example, logits, where)
    mass, mass_low, cost = mass_and_cost_of_lanes(target, example, logits, where, top, labels, workspace)
    others, others_low, winners = sum_in_parts_of_lanes(logits, where, top, constants, where_wanted(result, tile))
    losses = zero_where_ignored(mass * log_of_sum(others, others_low, winners) + cost, target, labels)
    store_first(operation.losses, example, losses, where.count)
    if result is not None:
        scale, below = operation.scale, others + others_low
        total = winners + below
        share, scaled_mass = (1.0 / constants[UNIT]) / total, mass * scale
        # Where one class has half of the probability or more; no exponential reaches infinity.
        alone = where_at_least(1.0, below, where_equal(winners, 1, filled(logits, constants[UNIT]), np.inf), np.inf)
        missing = mass * (below / total)
        for k in range(logits.shape[1]):
            values, t = load(tile[0, k], 0), weights_of_lanes(target, example, where.count, k, labels, workspace)
            at_maximum = (((mass - t) + mass_low) - missing) * scale
            slopes = where_at_least(values, alone, at_maximum, values * share * scaled_mass - t * scale)
            store_lanes(result, where, k, zero_where_ignored(slopes, target, labels))


implement(SoftmaxLoss, _of_row, _of_lanes, short=4)
