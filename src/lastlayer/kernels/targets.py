"""What a softmax loss is told of each example: a label, smoothed labels, or a distribution over the classes.

Each is a weight t_k >= 0 of every class, finite. The loss is sum_k t_k (-log p_k), of which the records here know the
sum of t, the `mass`, and sum_k t_k (max z - z_k), the `cost`: the loss is mass log(sum exp(z - max z)) + cost. A class
of weight 0 costs 0, also where it is impossible.

Arrays of one number an example are flat. A negative label is ignored: its loss and gradient are 0, whatever the logits.
What is said of one row is in float64; what is said of lanes is a vector in the logits' dtype, the mass in two parts.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.instructions import where_equal
from lastlayer.kernels.lanes import load_lanes
from lastlayer.kernels.layouts import Lanes, Workspace
from lastlayer.kernels.transposition import transpose_rows
from lastlayer.kernels.vectors import (
    filled,
    lane_count,
    load,
    load_as,
    load_first,
    load_labels,
    where_label,
    zero_unless_kept,
)


class Label(NamedTuple):
    """`weight` at the label (int64), float64, of each example or one number for all; 0 elsewhere."""

    labels: NDArray[np.int64]
    weight: NDArray[np.float64] | float


class Smoothed(NamedTuple):
    """As Label, and beside it the weight of each class, (K,) in the logits' dtype."""

    labels: NDArray[np.int64]
    weight: NDArray[np.float64] | float
    class_weight: NDArray[Any]


class Distribution(NamedTuple):
    """(N, K) weights of all examples, or (outer, K, inner) in the shape of the logits; in the logits' dtype."""

    weight: NDArray[Any]


def is_ignored(target: Any, example: int) -> bool:
    """Whether an example costs nothing; only a kernel calls it, and the others here."""
    raise NotImplementedError


def label_of(target: Any, example: int) -> int:
    """The label of an example, -1 if it has none."""
    raise NotImplementedError


def weight_of(target: Any, example: int, k: int) -> float:
    """t_k of one row."""
    raise NotImplementedError


def mass_and_cost(target: Any, example: int, logits: NDArray[Any], top: Any) -> Any:
    """The mass and the cost of one row."""
    raise NotImplementedError


def less_weights(values: Any, target: Any, example: int, j: int, count: int, scale: Any) -> Any:
    """A vector of one row less `scale` times the `count` weights from class j on, without that of a label."""
    raise NotImplementedError


def labels_of_lanes(target: Any, example: int, logits: Any, where: Lanes) -> Any:
    """The label of each lane and its weight; None where examples have none."""
    raise NotImplementedError


def zero_where_ignored(values: Any, target: Any, labels: Any) -> Any:
    """A vector of lanes, 0 where the example costs nothing."""
    raise NotImplementedError


def bring_weights(target: Any, example: int, where: Lanes, workspace: Workspace) -> None:
    """Transpose the weights of rows into the workspace, if there are any."""
    raise NotImplementedError


def weights_of_lanes(target: Any, example: int, count: int, k: int, labels: Any, workspace: Workspace) -> Any:
    """t_k of each lane."""
    raise NotImplementedError


def mass_and_cost_of_lanes(
    target: Any, example: int, logits: Any, where: Lanes, top: Any, labels: Any, workspace: Workspace
) -> Any:
    """The mass of each lane as an unevaluated sum of two, and its cost."""
    raise NotImplementedError


@compiled(inline=True, fastmath={"reassoc"})
def _sum_over_classes(logits, weight, top):
    mass = cost = 0.0
    for k in range(logits.size):
        t, below = np.float64(weight[k]), np.float64(top) - np.float64(logits[k])
        mass += t
        cost += t * below if t != 0.0 else 0.0
    return mass, cost


@compiled(inline=True)
def _cost_of(weight, top, logit):
    return weight * (np.float64(top) - np.float64(logit)) if weight != 0.0 else 0.0


def _at_label(target, example):
    """The weight at the label of an example."""
    raise NotImplementedError


@overload(_at_label)
def _choose_at_label(target, example):
    if hasattr(target[1], "ndim"):
        return lambda target, example: target.weight[example]
    return lambda target, example: target.weight


def _mass_and_cost_of_label(target, example, logits, top):
    weight = _at_label(target, example)
    return weight, _cost_of(weight, top, logits[target.labels[example]])


def _mass_and_cost_of_smoothed(target, example, logits, top):
    weight = _at_label(target, example)
    mass, cost = _sum_over_classes(logits, target.class_weight, top)
    return weight + mass, _cost_of(weight, top, logits[target.labels[example]]) + cost


def _mass_and_cost_of_distribution(target, example, logits, top):
    return _sum_over_classes(logits, target.weight[example], top)


def _label_mass_and_cost_of_lanes(target, example, logits, where, top, labels, workspace):
    nothing, weight = filled(logits, 0), labels[1]
    logit = nothing
    for k in range(logits.shape[1]):
        logit = where_label(labels[0], k, load_lanes(logits, where, k), logit)
    return weight, nothing, where_equal(weight, 0, nothing, weight * (top - logit))


def _sum_over_classes_of_lanes(target, example, logits, where, top, labels, workspace):
    bring_weights(target, example, where, workspace)
    nothing = filled(logits, 0)
    mass, mass_low, cost, cost_low = nothing, nothing, nothing, nothing
    for k in range(logits.shape[1]):
        t = weights_of_lanes(target, example, where.count, k, labels, workspace)
        mass, error = exact_sum(mass, t)
        mass_low = mass_low + error
        of_class = where_equal(t, 0, nothing, t * (top - load_lanes(logits, where, k)))
        cost, error = exact_sum(cost, of_class)
        # That of an infinite sum is NaN.
        cost_low = cost_low + where_equal(error, error, error, nothing)
    mass, mass_low = exact_sum(mass, mass_low)
    return mass, mass_low, cost + cost_low


@compiled(inline=True)
def _less_part(values, weight, j, count, scale):
    found = load(weight, j) if count == lane_count(weight) else load_first(weight, j, count, 0)
    return values - found * scale


def _weight_of_label(target, example, k):
    return _at_label(target, example) if k == target.labels[example] else 0.0


def _weight_of_smoothed(target, example, k):
    common = np.float64(target.class_weight[k])
    return _at_label(target, example) + common if k == target.labels[example] else common


@compiled(inline=True)
def _weight_at_label_of_lanes(labels, k, workspace):
    return where_label(labels[0], k, labels[1], filled(workspace.logits, 0))


def _distribution_of_lanes(target, example, count, k, labels, workspace):
    inner = target.weight.shape[2]
    return load_lanes(target.weight, Lanes(example // inner, example % inner, count), k)


@overload(is_ignored)
def _choose_is_ignored(target, example):
    if target.instance_class is Distribution:
        return lambda target, example: False
    return lambda target, example: target.labels[example] < 0


@overload(label_of)
def _choose_label_of(target, example):
    if target.instance_class is Distribution:
        return lambda target, example: -1
    return lambda target, example: target.labels[example]


@overload(weight_of)
def _choose_weight_of(target, example, k):
    if target.instance_class is Distribution:
        return lambda target, example, k: np.float64(target.weight[example, k])
    return _weight_of_label if target.instance_class is Label else _weight_of_smoothed


@overload(mass_and_cost)
def _choose_mass_and_cost(target, example, logits, top):
    return {
        Label: _mass_and_cost_of_label,
        Smoothed: _mass_and_cost_of_smoothed,
        Distribution: _mass_and_cost_of_distribution,
    }[target.instance_class]


@overload(less_weights)
def _choose_less_weights(values, target, example, j, count, scale):
    if target.instance_class is Label:
        return lambda values, target, example, j, count, scale: values
    if target.instance_class is Smoothed:
        return lambda values, target, example, j, count, scale: _less_part(values, target.class_weight, j, count, scale)
    return lambda values, target, example, j, count, scale: _less_part(values, target.weight[example], j, count, scale)


@overload(labels_of_lanes)
def _choose_labels_of_lanes(target, example, logits, where):
    if target.instance_class is Distribution:
        return lambda target, example, logits, where: None
    if hasattr(target[1], "ndim"):
        return lambda target, example, logits, where: (
            load_labels(logits, target.labels, example, where.count),
            load_as(logits, target.weight, example, where.count, 0),
        )
    return lambda target, example, logits, where: (
        load_labels(logits, target.labels, example, where.count),
        filled(logits, target.weight),
    )


@overload(zero_where_ignored)
def _choose_zero_where_ignored(values, target, labels):
    if target.instance_class is Distribution:
        return lambda values, target, labels: values
    return lambda values, target, labels: zero_unless_kept(labels[0], values)


@overload(bring_weights)
def _choose_bring_weights(target, example, where, workspace):
    if target.instance_class is not Distribution or target[0].ndim == 3:
        return lambda target, example, where, workspace: None
    return lambda target, example, where, workspace: transpose_rows(
        target.weight, example, where.count, workspace.weights
    )


@overload(weights_of_lanes)
def _choose_weights_of_lanes(target, example, count, k, labels, workspace):
    if target.instance_class is Label:
        return lambda target, example, count, k, labels, workspace: _weight_at_label_of_lanes(labels, k, workspace)
    if target.instance_class is Smoothed:
        return lambda target, example, count, k, labels, workspace: (
            _weight_at_label_of_lanes(labels, k, workspace) + target.class_weight[k]
        )
    if target[0].ndim == 3:
        return _distribution_of_lanes
    return lambda target, example, count, k, labels, workspace: load(workspace.weights[0, k], 0)


@overload(mass_and_cost_of_lanes)
def _choose_mass_and_cost_of_lanes(target, example, logits, where, top, labels, workspace):
    return _label_mass_and_cost_of_lanes if target.instance_class is Label else _sum_over_classes_of_lanes
