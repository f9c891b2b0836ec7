import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.decision import choose_thresholds
from tests.oracles.thresholds import best_threshold, smoothed_f1

OBJECTIVES = [{}, {"precision": 0.75}, {"recall": 0.8}, {"cost": (1.0, 2.5)}]


def rows_of_labels(rng, num_rows, num_labels, dtype, *, levels=None):
    p = rng.random((num_rows, num_labels)).astype(dtype)
    if levels:
        p = np.round(p * levels).astype(dtype) / dtype(levels)
    targets = rng.random(p.shape) < p * 0.8
    targets[rng.integers(num_rows)] = True
    return p, targets


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: "".join(objective) or "f1")
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_the_best_threshold_of_all(objective, dtype, form):
    rng = np.random.default_rng(0)
    for trial in range(12):
        p, targets = rows_of_labels(rng, rng.integers(3, 40), rng.integers(1, 5), dtype, levels=(None, 6)[trial % 2])
        expected = best_threshold(p.ravel(), targets.ravel(), objective)
        each = [best_threshold(p[:, k], targets[:, k], objective) for k in range(p.shape[1])]
        if expected is None:
            with pytest.raises(ValueError, match="cannot be met on these rows"):
                choose_thresholds(form(p), form(targets), **objective)
        else:
            assert choose_thresholds(form(p), form(targets), **objective).threshold == expected
        if None in each:
            with pytest.raises(ValueError, match=f"cannot be met for {each.count(None)} of {len(each)} labels"):
                choose_thresholds(form(p), form(targets), per_label=True, smoothing=0, **objective)
        else:
            found = choose_thresholds(form(p), form(targets), per_label=True, smoothing=0, **objective)
            assert found.threshold.tolist() == each


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: "".join(objective) or "f1")
def test_one_threshold_of_many_entries_is_that_of_a_sort(objective, dtype):
    rng = np.random.default_rng(1)
    p = rng.beta(0.3, 3, (4000, 7)).astype(dtype)
    targets = rng.random(p.shape) < p**1.2
    order = np.argsort(-p.ravel(), kind="stable")
    ranked, right = p.ravel()[order], np.cumsum(targets.ravel()[order])
    number, positive = np.arange(1, p.size + 1), targets.sum()
    worth = {
        "f1": 2 * right / (number + positive),
        "precision": np.where(right / number >= 0.75, right, -1),
        "recall": np.where(right / positive >= 0.8, -number, -p.size - 1),
        "cost": -(number - right + 2.5 * (positive - right)),
    }["".join(objective) or "f1"]
    last = np.append(ranked[1:] != ranked[:-1], True)
    best = int(np.where(last, worth, -np.inf).argmax())
    found = choose_thresholds(p, targets, **objective)
    assert found.threshold == (float(ranked[best]) + float(ranked[best + 1])) / 2
    assert found.apply(p).sum() == best + 1


@pytest.mark.parametrize("smoothing", [0.5, 2.0])
def test_smoothed_counts_are_those_of_the_definition(smoothing):
    rng = np.random.default_rng(2)
    p, targets = rows_of_labels(rng, 60, 6, np.float32)
    targets[:, 0] = False  # a label of no row goes by its probabilities alone
    found = choose_thresholds(p, targets, per_label=True, smoothing=smoothing)
    for k in range(6):
        tried = [smoothed_f1(p[:, k], targets[:, k], float(t), smoothing) for t in [0.0, *np.unique(p[:, k])[:-1]]]
        reached = smoothed_f1(p[:, k], targets[:, k], float(found.threshold[k]), smoothing)
        assert float(max(tried) - reached) < 1e-12


def test_common_labels_are_smoothed_as_by_500_rows():
    rng = np.random.default_rng(3)
    p = rng.random((4000, 1))
    targets = rng.random((4000, 1)) < p
    weight = 500 / p.sum()
    assert weight < 2
    assert choose_thresholds(p, targets, per_label=True) == choose_thresholds(
        p, targets, per_label=True, smoothing=weight
    )


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), target=st.sampled_from([0.3, 0.5, 0.9]))
def test_a_target_is_met_on_these_rows_by_what_is_applied(seed, target):
    p, targets = rows_of_labels(np.random.default_rng(seed), 30, 4, np.float32, levels=9)
    p = np.maximum(p, np.float32(0.05))  # what has a probability of 0 is never predicted
    predicted = choose_thresholds(p, targets, recall=target, per_label=True, smoothing=0).apply(p)
    assert ((predicted & targets).sum(axis=0) >= target * targets.sum(axis=0) - 1e-9).all()
    rule = choose_thresholds(p, targets, precision=target, per_label=True, smoothing=0, unmet="never")
    predicted = rule.apply(p)
    assert ((predicted & targets).sum(axis=0) >= target * predicted.sum(axis=0) - 1e-9).all()
    assert ((rule.threshold < 1) == predicted.any(axis=0)).all()


def test_literal_figures_and_what_they_state():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.2]])
    targets = np.array([[1, 0], [0, 1], [1, 0]])
    shared = choose_thresholds(p, targets)
    assert shared.threshold == 0.25  # .9 yes, .6 no, .4 yes, .3 yes: F1 = 6 / 7
    assert (shared.evidence.rows, shared.evidence.objective, shared.evidence.target) == (3, "f1", None)
    assert shared.evidence.reached == pytest.approx(6 / 7)
    each = choose_thresholds(p, targets, per_label=True, smoothing=0)
    assert each.threshold == pytest.approx([0.15, 0.3])
    assert each.evidence.reached == pytest.approx((4 / 5 + 1) / 2)
    cheap = choose_thresholds(p, targets, cost=(1, 0.1))
    assert cheap.threshold == 0.75
    assert cheap.evidence.reached == pytest.approx(0.2 / 3)
    assert choose_thresholds(p, np.zeros((3, 2)), cost=(1, 1)).threshold == 0.9
    assert choose_thresholds(p / 3, np.zeros((3, 2)), cost=(1, 3), per_label=True).threshold[1] == 0.25
    assert choose_thresholds(p, targets, recall=1).evidence.reached == 1.0


def test_class_indices_are_an_indicator():
    p = np.random.default_rng(4).dirichlet(np.ones(3), 50)
    labels = np.random.default_rng(5).integers(0, 3, 50)
    assert choose_thresholds(p, labels, per_label=True) == choose_thresholds(p, np.eye(3)[labels], per_label=True)


def test_any_layout_of_memory_and_negative_zeros():
    rng = np.random.default_rng(6)
    p, targets = rows_of_labels(rng, 40, 9, np.float32, levels=5)
    p[p == 0] = -0.0
    expected = choose_thresholds(np.abs(p), targets, per_label=True)
    wide = np.zeros((40, 18), np.float32)
    wide[:, ::2] = p
    frozen = p.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(p), wide[:, ::2], frozen, p[::-1].copy()[::-1], sp.csc_array(p), sp.coo_matrix(p)):
        assert choose_thresholds(same, targets, per_label=True) == expected
        assert choose_thresholds(same, targets) == choose_thresholds(np.abs(p), targets)


def test_labels_that_store_no_probability():
    p = sp.csr_array(([0.5, 0.8], ([0, 1], [1, 1])), shape=(3, 4))
    targets = sp.csr_array(np.eye(3, 4)[[1, 1, 0]])
    found = choose_thresholds(p, targets, per_label=True)
    assert found.threshold[1] == 0.25
    assert found.threshold[[0, 2, 3]].tolist() == [0.5] * 3  # nothing is known of them
    nothing = sp.csr_array((3, 4))
    assert choose_thresholds(nothing, targets, per_label=True).threshold.tolist() == [0.5] * 4
    assert choose_thresholds(nothing, targets).threshold == 0.5
    assert choose_thresholds(nothing, targets, cost=(1, 3), per_label=True).threshold.tolist() == [0.25] * 4
    assert not choose_thresholds(p, targets, per_label=True).apply(p)[:, [0, 2, 3]].nnz


def test_threads_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(7)
    p, targets = rows_of_labels(rng, 300, 200, np.float32)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        found.append((choose_thresholds(p, targets), choose_thresholds(p, targets, per_label=True)))
    assert found[0] == found[1]


def test_memory_does_not_grow_with_rows_times_labels(monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")
    rng = np.random.default_rng(8)
    p = rng.random((1000, 20_000), dtype=np.float32)
    targets = sp.random_array(p.shape, density=1e-4, format="csc", rng=rng)
    targets.data[:] = 1
    choose_thresholds(p[:, :50], sp.csc_array(np.eye(1000, 50)), per_label=True)
    tracemalloc.start()
    choose_thresholds(p, targets, per_label=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < p.nbytes / 4


P, Y = np.array([[0.9, 0.2], [0.4, 0.8]]), np.array([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            (P, Y),
            {"precision": 0.9, "recall": 0.5},
            ValueError,
            "precision and recall: received together, expected one",
        ),
        ((P, Y), {"objective": "f1", "cost": (1, 1)}, ValueError, "objective and cost: received together"),
        ((P, Y), {"objective": "accuracy"}, ValueError, "objective: received 'accuracy', expected \"f1\""),
        ((P, Y), {"precision": 0}, ValueError, "precision: received 0, expected a finite number above 0 and at most 1"),
        ((P, Y), {"recall": 1.5}, ValueError, "recall: received 1.5, expected"),
        ((P, Y), {"recall": "all"}, TypeError, "recall: received 'all', expected a number"),
        ((P, Y), {"cost": 3}, ValueError, "cost: received 3, expected two numbers"),
        ((P, Y), {"cost": (0, 0)}, ValueError, "cost: received two zeros"),
        ((P, Y), {"cost": (1, np.nan)}, ValueError, "cost: received nan, expected a finite number of at least 0"),
        ((P, Y), {"smoothing": -1}, ValueError, "smoothing: received -1"),
        ((P, Y), {"unmet": "maybe"}, ValueError, "unmet: received 'maybe'"),
        ((P, Y), {"unmet": "never"}, ValueError, "which is for a precision of each label"),
        ((P, Y), {"precision": 0.9}, ValueError, "precision: 0.9 cannot be met on these rows, .* more than 0.5; ask"),
        (
            (P, Y),
            {"precision": 0.9, "per_label": True, "smoothing": 0},
            ValueError,
            "precision: 0.9 cannot be met for 2 of 2 labels; label 0 reaches the least, 0.5; ask for no more",
        ),
        ((sp.csr_array(P * (P > 0.3)), Y), {"recall": 0.9}, ValueError, "recall: 0.9 cannot be met .* than 0.5; ask"),
        ((P, Y[:1]), {}, ValueError, r"targets: shape is \(1, 2\), expected \(2, 2\) like the probabilities"),
        ((P, Y * 2), {}, ValueError, "targets: row 1 has 2 in column 0, expected an indicator"),
        ((P, [0, 2]), {}, ValueError, "targets: row 1 is 2, but probabilities have 2 classes"),
        ((P, Y * 0), {}, ValueError, "targets: no row has any label"),
        ((P, Y * [0, 1]), {"per_label": True, "smoothing": 0}, ValueError, r"targets: no row has label 0 \(1 labels"),
        ((P[:0], Y[:0]), {}, ValueError, "probabilities: no rows"),
        ((P[0], Y), {}, ValueError, r"probabilities: shape is \(2,\), expected \(N, K\)"),
        ((P * 2, Y), {}, ValueError, "probabilities: row 0 has 1.8 for class 0, expected numbers from 0 to 1"),
        ((P * np.nan, Y), {}, ValueError, "probabilities: row 0 has nan for class 0"),
        ((sp.csr_array(P * 2), Y), {}, ValueError, "probabilities: row 0 has 1.8 for class 0"),
    ],
)
def test_bad_arguments_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        choose_thresholds(*arguments, **options)
