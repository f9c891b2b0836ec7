import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

import lastlayer as ll
from lastlayer.calibration import TemperatureWarning
from lastlayer.calibration.rows import CalibrationRows
from lastlayer.calibration.temperature import _from_a_share
from tests.oracles.temperature import mean_loss, slope
from tests.shared_data import data_file


def drawn(rng, rows, num_classes, beta, scale=1.0):
    """Logits, and labels drawn from softmax(beta * logits): the largest of beta z + Gumbel noise (Gumbel 1954)."""
    logits = rng.normal(size=(rows, num_classes)) * scale
    return logits, (beta * logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def assert_optimal(beta, logits, labels, weight=None):
    """The loss falls just below beta and rises just above it, in 60 digits."""
    rows = (np.asarray(logits).tolist(), np.asarray(labels).tolist())
    weights = [1.0] * len(labels) if weight is None else weight.tolist()
    assert slope(*rows, weights, beta * (1 - 1e-10)) < 0 < slope(*rows, weights, beta * (1 + 1e-10))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("num_classes", "beta", "scale"), [(2, 1, 3), (3, 0.2, 5), (20, 8, 0.5), (50, 0.03, 1)])
def test_the_optimum_is_that_of_the_definition(num_classes, beta, scale, dtype):
    logits, labels = drawn(np.random.default_rng(num_classes), 60, num_classes, beta, scale)
    logits = logits.astype(dtype)
    found = ll.fit_temperature(logits, labels)
    assert isinstance(found, float)
    assert_optimal(found, logits, labels)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), num_classes=st.integers(2, 6), spread=st.floats(0.1, 3))
def test_trap_02_weights_and_impossible_classes(seed, num_classes, spread):
    rng = np.random.default_rng(seed)
    logits, labels = drawn(rng, 15, num_classes, 1.0, spread)
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    possible = np.isfinite(logits[np.arange(15), labels])
    logits, labels = logits[possible], labels[possible]
    assume(len(labels))
    weight = rng.exponential(size=len(labels))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        beta = ll.fit_temperature(logits, labels, sample_weight=weight)
    if caught:  # there is no optimum: the slope has one sign all the way, but for the sixtieth digit
        low, high = (slope(logits.tolist(), labels.tolist(), weight.tolist(), beta * f) for f in (1e-3, 1e3))
        assert low * high >= -1e-50
    else:
        assert_optimal(beta, logits, labels, weight)


def test_literal_optimum_of_two_logits():
    # Right in 3 of 4 rows with a gap of 2: sigmoid(2 beta) = 3/4.
    assert ll.fit_temperature([[0, 2]] * 4, [1, 1, 1, 0]) == pytest.approx(0.5493061443340549, rel=1e-12)


def test_trap_24_binary_scores_are_two_columns_and_honest_ones_keep_beta_1():
    rng = np.random.default_rng(0)
    score = rng.normal(size=40_000) * 2
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-score))).astype(int)
    beta = ll.fit_temperature(np.column_stack([np.zeros_like(score), score]), labels)
    assert beta == pytest.approx(1, abs=0.03)
    assert ll.fit_temperature(np.column_stack([-score / 2, score / 2]), labels) == pytest.approx(beta, rel=1e-12)
    assert ll.fit_temperature(np.column_stack([-score, score]), labels) == pytest.approx(beta / 2, rel=1e-12)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**-3, 2.0**40])
def test_a_scale_of_the_logits_divides_beta(factor):
    logits, labels = drawn(np.random.default_rng(1), 200, 5, 0.7)
    assert ll.fit_temperature(logits * factor, labels) == ll.fit_temperature(logits, labels) / factor


def test_a_shift_of_a_row_changes_nothing():
    rng = np.random.default_rng(2)
    logits, labels = drawn(rng, 200, 5, 0.7)
    shifted = logits + rng.integers(-1000, 1000, (200, 1))
    assert ll.fit_temperature(shifted, labels) == pytest.approx(ll.fit_temperature(logits, labels), rel=1e-9)


@pytest.mark.parametrize("beta", [1e-4, 1e-2, 0.3, 1.0, 30.0, 1e4])
def test_trap_23_any_true_temperature_is_recovered(beta):
    logits, labels = drawn(np.random.default_rng(3), 20_000, 8, beta, scale=1.5 / beta)
    assert ll.fit_temperature(logits, labels) == pytest.approx(beta, rel=0.03)


def test_trap_23_one_wrong_row_among_many_right_ones():
    # Separable but for one row: gradient descent creeps for thousands of steps.
    logits = np.random.default_rng(4).normal(size=(5000, 3)) * 5
    labels = logits.argmax(axis=1)
    row = np.ptp(logits, axis=1).argmin()
    labels[row] = logits[row].argmin()
    assert_optimal(ll.fit_temperature(logits, labels), logits, labels)


def test_trap_23_separable_rows_warn_and_keep_a_finite_confidence():
    logits, _ = drawn(np.random.default_rng(5), 50, 4, 1.0)
    labels = logits.argmax(axis=1)
    with pytest.warns(TemperatureWarning, match="every label is its row's largest logit, so the loss falls for ever"):
        beta = ll.fit_temperature(logits, labels)
    assert mean_loss(logits.tolist(), labels.tolist(), [1.0] * 50, beta) == pytest.approx(1 / 51, rel=1e-12)


def test_trap_23_unrelated_labels_warn_and_are_all_but_uniform():
    logits, _ = drawn(np.random.default_rng(6), 50, 4, 1.0)
    with pytest.warns(TemperatureWarning, match="uniform probabilities are best"):
        beta = ll.fit_temperature(logits, logits.argmin(axis=1))
    assert beta == pytest.approx(1e-3 / np.sqrt(logits.var(axis=1).mean()), rel=1e-12)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([[0, 1e-9], [0, 1], [0, 2]], [0, 1, 1]),  # the one wrong row is wrong by a hair
        ([[0, 1], [0, 1.00001]], [0, 1]),  # right ever so slightly more often than chance
        ([[0, 1e-9], [0, 1e-9], [0, 1e-9]], [0, 1, 1]),
        ([[0, 1e100], [0, 1e100], [0, 1e100]], [0, 1, 1]),
    ],
)
def test_trap_23_an_extreme_optimum_is_found(logits, labels):
    assert_optimal(ll.fit_temperature(logits, labels), logits, labels)


@pytest.mark.parametrize("mask", [-1e4, -1e9, -np.inf])
def test_classes_masked_by_a_large_number_are_as_good_as_absent(mask):
    logits, labels = drawn(np.random.default_rng(11), 300, 5, 0.7)
    masked = np.column_stack([logits, np.full((300, 2), mask)])
    assert ll.fit_temperature(masked, labels) == pytest.approx(ll.fit_temperature(logits, labels), rel=1e-12)
    with pytest.warns(TemperatureWarning, match="falls for ever"):
        separable = ll.fit_temperature(masked, logits.argmax(axis=1))
    with pytest.warns(TemperatureWarning, match="falls for ever"):
        assert separable == pytest.approx(ll.fit_temperature(logits, logits.argmax(axis=1)), rel=1e-12)


def test_equal_logits_leave_beta_at_1():
    with pytest.warns(TemperatureWarning, match="logits of every row are all equal"):
        assert ll.fit_temperature([[1, 1], [2, 2]], [0, 1]) == 1.0


def test_trap_30_a_row_of_weight_0_is_not_looked_at():
    rng = np.random.default_rng(7)
    logits, labels = drawn(rng, 100, 3, 1.0)
    weight = rng.exponential(size=100)
    weight[::3] = 0
    spoilt = logits.copy()
    spoilt[0] = np.nan
    kept = weight > 0
    expected = ll.fit_temperature(logits[kept], labels[kept], sample_weight=weight[kept])
    assert ll.fit_temperature(spoilt, labels, sample_weight=weight) == expected


def test_a_weight_of_2_is_the_row_twice():
    logits, labels = drawn(np.random.default_rng(8), 50, 3, 1.0)
    weight = np.ones(50)
    weight[:20] = 2
    twice = ll.fit_temperature(np.concatenate([logits, logits[:20]]), np.concatenate([labels, labels[:20]]))
    assert ll.fit_temperature(logits, labels, sample_weight=weight) == pytest.approx(twice, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_layout_of_memory(dtype):
    logits, labels = drawn(np.random.default_rng(9), 60, 6, 1.0)
    logits = logits.astype(dtype)
    expected = ll.fit_temperature(logits, labels)
    wide = np.zeros((60, 12), dtype)
    wide[:, ::2] = logits
    frozen = logits.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(logits), wide[:, ::2], frozen, logits[::-1].copy()[::-1], logits.tolist()):
        assert ll.fit_temperature(same, labels) == expected


def test_threads_do_not_change_the_result(monkeypatch):
    logits, labels = drawn(np.random.default_rng(10), 6000, 40, 1.3)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        found.append(ll.fit_temperature(logits, labels))
    assert found[0] == found[1]


@pytest.mark.parametrize("weighted", [False, True])
def test_many_rows_end_where_few_do(monkeypatch, weighted):
    logits, labels = drawn(np.random.default_rng(12), 30_000, 5, 0.7)
    weight = np.random.default_rng(13).integers(0, 3, 30_000) / 2 if weighted else None
    expected = ll.fit_temperature(logits, labels, sample_weight=weight)
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 1)
    monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 8000)
    found = ll.fit_temperature(logits, labels, sample_weight=weight)
    from_a_share, _ = _from_a_share(CalibrationRows(logits, labels, weight))
    assert from_a_share == pytest.approx(expected, rel=1e-4)
    assert found == pytest.approx(expected, rel=1e-5)
    # A share that is not like the rest is corrected by so much that all rows are searched.
    unlike = logits.copy()
    unlike[::3] *= 2
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 10**9)
    expected = ll.fit_temperature(unlike, labels, sample_weight=weight)
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 1)
    assert ll.fit_temperature(unlike, labels, sample_weight=weight) == pytest.approx(expected, rel=1e-10)
    spoilt = logits.copy()
    spoilt[7] = np.nan
    with pytest.raises(ValueError, match="logits: row 7 has nan for class 0"):
        ll.fit_temperature(spoilt, labels)
    with pytest.warns(TemperatureWarning, match="falls for ever"):
        ll.fit_temperature(logits, logits.argmax(axis=1))


def above_the_least(logits, labels, beta, weight=None):
    """What the mean loss at beta is above the least one, by SciPy in float64."""
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)

    def loss(candidate):
        of_label = candidate * logits[np.arange(len(labels)), labels]
        return np.average(logsumexp(candidate * logits, axis=1) - of_label, weights=weight)

    best = minimize_scalar(loss, bounds=(beta / 2, beta * 2), method="bounded", options={"xatol": 1e-8 * beta})
    return loss(beta) - best.fun


@pytest.mark.parametrize(
    ("num_classes", "beta", "scale", "shift"),
    [
        (2, 1, 3, 0),
        (3, 0.2, 5, 0),
        (10, 3, 1, 1e3),
        (37, 0.7, 3, 0),
        (100, 0.05, 1, 0),
        (100, 30, 1, 0),
        (1000, 1, 1, 0),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float16, marks=pytest.mark.thorough)])
def test_of_many_float32_logits_the_loss_is_the_least(monkeypatch, num_classes, beta, scale, shift, dtype):
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 1)
    monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 500)
    logits, labels = drawn(np.random.default_rng(num_classes), 4000, num_classes, beta, scale)
    logits = (logits + shift * np.arange(4000)[:, np.newaxis] / 4000).astype(dtype)
    assert above_the_least(logits, labels, ll.fit_temperature(logits, labels)) < 1e-9


def test_trap_23_one_wrong_row_among_many_right_ones_in_float32(monkeypatch):
    monkeypatch.setattr("lastlayer.calibration.temperature._SKIMMED", 1)
    logits = (np.random.default_rng(4).normal(size=(5000, 3)) * 5).astype(np.float32)
    labels = logits.argmax(axis=1)
    row = np.ptp(logits, axis=1).argmin()
    labels[row] = logits[row].argmin()
    assert_optimal(ll.fit_temperature(logits, labels), logits, labels)
    for share in (1, 10**9):
        monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", share)
        monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 500)
        assert above_the_least(logits, labels, ll.fit_temperature(logits, labels)) < 1e-9


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e-6, 1.0, 1e10, 1e30])
@pytest.mark.parametrize("large", [1, 10**9])
def test_trap_23_float32_logits_of_any_scale(monkeypatch, factor, large):
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", large)
    monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 500)
    monkeypatch.setattr("lastlayer.calibration.temperature._SKIMMED", 1)
    logits, labels = drawn(np.random.default_rng(20), 3000, 7, 1.0, 2.0)
    logits = (logits * factor).astype(np.float32)
    found = ll.fit_temperature(logits, labels)
    assert found * factor == pytest.approx(1, abs=0.1)
    assert above_the_least(logits.astype(np.float64) / factor, labels, found * factor) < 1e-9


def test_trap_23_a_share_of_which_only_a_share_has_an_optimum(monkeypatch):
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 1)
    monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 2000)
    logits, _ = drawn(np.random.default_rng(23), 4000, 5, 1.0)
    labels = logits.argmin(axis=1)
    few = np.arange(0, 4000, 32)  # every 16th of every second
    labels[few] = logits[few].argmax(axis=1)
    labels[few[::3]] = logits[few[::3]].argmin(axis=1)
    for dtype in (np.float32, np.float64):
        with pytest.warns(TemperatureWarning, match="uniform probabilities are best"):
            ll.fit_temperature(logits.astype(dtype), labels)


def test_rows_on_which_float32_roundings_would_show_are_searched_in_float64(monkeypatch):
    # One class of thousands stands out a little: the bound on roundings is large beside the curvature.
    monkeypatch.setattr("lastlayer.calibration.temperature._LARGE", 1)
    monkeypatch.setattr("lastlayer.calibration.temperature._FEWEST", 100)
    rng = np.random.default_rng(21)
    logits, labels = rng.normal(size=(400, 5000)) * 0.01, rng.integers(0, 5000, 400)
    logits[np.arange(400), labels] += 1
    labels[::2] = rng.integers(0, 5000, 200)
    logits = logits.astype(np.float32)
    rows = CalibrationRows(logits, labels)
    beta, is_close = _from_a_share(rows)
    assert beta is None or not is_close
    assert above_the_least(logits, labels, ll.fit_temperature(logits, labels)) < 1e-9


@pytest.mark.parametrize("weighted", [False, True])
def test_a_skim_is_a_sweep_but_for_roundings(weighted):
    rng = np.random.default_rng(22)
    logits, labels = drawn(rng, 500, 30, 0.7, 3.0)
    weight = rng.integers(0, 3, 500) / 2 if weighted else None
    for dtype in (np.float16, np.float32, np.float64):
        swept, skimmed = (CalibrationRows(logits.astype(dtype), labels, weight) for _ in range(2))
        for beta in (0.0, 1e-9, 0.7, 5.0, 1e30):
            swept.sweep(beta)
            skimmed.skim(beta)
            assert abs(skimmed.slope - swept.slope) <= skimmed.rounding(beta)
            assert skimmed.curvature == pytest.approx(swept.curvature, rel=1e-5)
            assert skimmed.shortfall == swept.shortfall
            if dtype == np.float64 or not 2.0**-24 <= beta <= 2.0**60:
                assert (skimmed.slope, skimmed.curvature) == (swept.slope, swept.curvature)


def test_an_overconfident_network_is_cooled():
    with np.load(data_file("wideresnet-cifar100.npz")) as arrays:
        probabilities, labels = arrays["predictions"], arrays["ground_truth"]
    logits = np.log(probabilities)
    beta = ll.fit_temperature(logits[:5000], labels[:5000])
    before = ll.evaluate(probabilities[5000:], labels[5000:])
    after = ll.evaluate(ll.softmax(logits[5000:], beta=beta), labels[5000:])
    assert 0.8 < beta < 1
    assert after.accuracy == before.accuracy
    assert after.log_loss < before.log_loss
    assert after.ece < before.ece


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[0, 1], [0, np.nan]], [0, 1], r"logits: row 1 has nan for class 1, expected a finite number"),
        ([[0, 1], [np.inf, 0]], [0, 1], r"logits: row 1 has inf for class 0"),
        ([[0, 1], [-np.inf, -np.inf]], [0, 1], r"logits: row 1 is all -inf"),
        ([[0, 1], [0, -np.inf]], [0, 1], r"labels: row 1 is class 1, whose logit is -inf"),
        ([[0, 1], [0, 1e200]], [0, 1], r"logits: row 1 spans more than float64 can square"),
        (np.zeros((0, 3)), [], r"logits: no rows, expected at least one"),
        (
            [[1.0], [2.0]],
            [0, 0],
            r"logits: shape is \(2, 1\), expected at least 2 columns; binary scores s are the two columns \(0, s\)",
        ),
        ([1.0, 2.0], [0, 1], r"logits: shape is \(2,\), expected \(N, K\)"),
        ([[0, 1]], [2], r"labels: row 0 is 2, but logits have 2 classes"),
        ([[0, 1]], [0, 1], r"labels: shape is \(2,\), expected \(1,\)"),
    ],
)
def test_bad_values_are_named(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        ll.fit_temperature(logits, labels)


def test_bad_kinds_are_named():
    with pytest.raises(TypeError, match="labels: dtype is <U1"):
        ll.fit_temperature([[0, 1]], ["a"])
    with pytest.raises(ValueError, match="sample_weight: every weight is zero"):
        ll.fit_temperature([[0, 1]], [0], sample_weight=[0])
