"""The softmax loss against each kind of target, in each layout, with weights that no public function would give."""

import numpy as np
import pytest

from lastlayer._layouts import tiles
from lastlayer.kernels.layouts import columns, rows, short_rows
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.kernels.targets import Distribution, Label, Smoothed
from tests.oracles import soft_cross_entropy as oracle
from tests.oracles.softmax import relative_errors

FLOATS = (np.float32, np.float64)
# Kernels of each are compiled for every target in every layout, which takes half a minute.
ONE_FLOAT = (np.float32, pytest.param(np.float64, marks=pytest.mark.thorough))
TARGETS = [
    pytest.param(kind, layout, marks=() if layout == "rows" or kind == "label" else pytest.mark.thorough)
    for kind in ("label", "smoothed", "distribution")
    for layout in ("rows", "short rows", "columns")
]
BOUND = {np.float32: 4e-7, np.float64: 1e-15}
NUM_ROWS = 21  # more than a vector, and not a whole number of them


def problem(dtype, num_classes, kind):
    """Logits (n, K), a record, and the weights (n, K) in float64 that it stands for."""
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(NUM_ROWS, num_classes)) * 3).astype(dtype)
    labels, weight = rng.integers(0, num_classes, NUM_ROWS), rng.random(NUM_ROWS).astype(dtype).astype(np.float64)
    at_label = np.zeros(logits.shape)
    at_label[np.arange(NUM_ROWS), labels] = weight
    class_weight = rng.random(num_classes).astype(dtype)
    class_weight[0] = 0
    ignored = np.arange(NUM_ROWS) % 7 == 5
    known = np.where(ignored, -1, labels)
    if kind == "label":
        return logits, Label(known, weight), np.where(ignored[:, None], 0, at_label)
    if kind == "smoothed":
        return logits, Smoothed(known, weight, class_weight), np.where(ignored[:, None], 0, at_label + class_weight)
    weights = rng.random(logits.shape).astype(dtype)
    return logits, Distribution(weights), weights.astype(np.float64)


def in_layout(layout, target, scale, logits, gradient):
    """The losses, and the gradient where `gradient` is an array, of (n, K) logits."""
    losses = np.full(len(logits), np.nan)
    operation = SoftmaxLoss(target, scale, losses)
    if layout == "rows":
        rows(operation, 0, logits, gradient)
    elif layout == "short rows":
        short_rows(operation, 0, logits, gradient, tiles(logits.shape[1], logits.dtype))
    else:
        if isinstance(target, Distribution):
            operation = SoftmaxLoss(Distribution(np.ascontiguousarray(target.weight.T[None])), scale, losses)
        source = np.ascontiguousarray(logits.T[None])
        result = None if gradient is None else np.empty_like(source)
        width = tiles(1, logits.dtype).shape[-1]
        columns(operation, 0, -(-len(logits) // width), source, result, tiles(logits.shape[1], logits.dtype))
        if result is not None:
            gradient[...] = result[0].T
    return losses


@pytest.mark.parametrize("dtype", ONE_FLOAT)
@pytest.mark.parametrize(("kind", "layout"), TARGETS)
@pytest.mark.parametrize("num_classes", [1, 2, 7, 40])
def test_losses_and_gradients_match_the_definition(dtype, layout, kind, num_classes):
    logits, target, weights = problem(dtype, num_classes, kind)
    gradient = np.full_like(logits, np.nan)
    losses = in_layout(layout, target, 0.5, logits, gradient)
    np.testing.assert_array_equal(in_layout(layout, target, 0.5, logits, None), losses)
    expected = [oracle.loss(row, t) for row, t in zip(logits, weights, strict=True)]
    assert max(relative_errors(losses, expected)) <= 2 * BOUND[dtype]
    slopes = np.array([oracle.gradient(row, t) for row, t in zip(logits, weights, strict=True)], np.float64)
    assert (abs(gradient - 0.5 * slopes) <= 2 * BOUND[dtype] * (0.5 * slopes + weights + 1e-30)).all()
    in_place = logits.copy()
    np.testing.assert_array_equal(in_layout(layout, target, 0.5, in_place, in_place), losses)
    np.testing.assert_array_equal(in_place, gradient)


@pytest.mark.parametrize("dtype", ONE_FLOAT)
@pytest.mark.parametrize(("kind", "layout"), TARGETS)
@pytest.mark.parametrize("lead", [5.0, 17.3, 60.0])
def test_trap_08_the_slope_at_the_sole_maximum_does_not_cancel(dtype, layout, kind, lead):
    # All the weight is where the probability is near 1: p sum t - t would be rounding and nothing else.
    rng = np.random.default_rng(0)
    logits, place = rng.normal(size=(NUM_ROWS, 9)).astype(dtype), rng.integers(0, 9, NUM_ROWS)
    place[:] = 4
    logits[:, 4] = logits.max(1) + dtype(lead)
    all_of_it = np.zeros(9, dtype)
    all_of_it[4] = 0.3
    weights = np.tile(all_of_it, (NUM_ROWS, 1))
    target = {
        "label": Label(place, float(all_of_it[4])),
        "smoothed": Smoothed(np.zeros(NUM_ROWS, np.int64), 0.0, all_of_it),
        "distribution": Distribution(weights),
    }[kind]
    gradient = np.full_like(logits, np.nan)
    in_layout(layout, target, 1.0, logits, gradient)
    for row, t, slopes in zip(logits, weights, gradient, strict=True):
        expected = oracle.gradient(row, t)
        assert max(relative_errors(slopes, expected)) <= 4 * BOUND[dtype] * (1 + lead)


@pytest.mark.parametrize("layout", ["rows", "short rows", "columns"])
def test_ignored_examples_cost_nothing_whatever_their_logits(layout):
    logits = np.random.default_rng(0).normal(size=(NUM_ROWS, 5))
    logits[1], logits[2], logits[3, 2] = -np.inf, np.nan, np.inf
    labels = np.full(NUM_ROWS, -1)
    labels[7] = 2
    for target in (Label(labels, 1.0), Smoothed(labels, 0.9, np.full(5, 0.02))):
        gradient = np.full_like(logits, np.nan)
        losses = in_layout(layout, target, 1.0, logits, gradient)
        assert losses[7] > 0
        assert gradient[7].any()
        losses[7], gradient[7] = 0, 0
        assert not losses.any()
        assert not gradient.any()


@pytest.mark.parametrize("layout", ["rows", "short rows", "columns"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_small_scale_is_not_lost_beside_the_unit_of_the_exponentials(layout, dtype):
    logits, target, weights = problem(dtype, 7, "label")
    scale = 1e-30 if dtype == np.float32 else 1e-250
    gradient = np.full_like(logits, np.nan)
    in_layout(layout, target, scale, logits, gradient)
    slopes = np.array([oracle.gradient(row, t) for row, t in zip(logits, weights, strict=True)], np.float64)
    np.testing.assert_allclose(gradient / dtype(scale), slopes, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ONE_FLOAT)
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", ["label", "smoothed", "distribution"])
def test_no_slope_cancels_where_many_classes_share_the_probability(dtype, layout, kind):
    # The sum of the weights has many terms, and the largest probability is far from 1.
    num_classes = 3000
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, num_classes)).astype(dtype), rng.integers(0, num_classes, 3)
    if kind == "distribution":
        weights = rng.dirichlet(np.ones(num_classes), 3).astype(dtype)
        target = Distribution(weights)
    else:
        class_weight = np.full(num_classes, 0.1 / num_classes if kind == "smoothed" else 0.0, dtype)
        weights = np.tile(class_weight.astype(np.float64), (3, 1))
        weights[np.arange(3), labels] += 0.9
        target = Smoothed(labels, 0.9, class_weight) if kind == "smoothed" else Label(labels, 0.9)
    gradient = np.empty_like(logits)
    losses = in_layout(layout, target, 1.0, logits, gradient)
    expected = [oracle.loss(row, t) for row, t in zip(logits, weights, strict=True)]
    assert max(relative_errors(losses, expected)) <= 4 * BOUND[dtype]
    for row, t, slopes in zip(logits, weights, gradient, strict=True):
        exact = np.array([float(slope) for slope in oracle.gradient(row, t)])
        p = exact + t  # the weights sum to 1, or nearly
        assert (abs(slopes - exact) <= 8 * BOUND[dtype] * (abs(p) + t)).all()
