import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.kernels.evaluation import evaluate_rows
from tests.oracles.calibration import classwise_errors
from tests.oracles.evaluation import evaluation as slow_evaluation
from tests.oracles.evaluation import weighted_evaluation
from tests.shared_data import data_file

SCALARS = (
    *("rows", "num_classes", "accuracy", "top_k", "top_k_accuracy", "log_loss", "brier", "ece"),
    *("mean_confidence", "balanced_accuracy", "macro_f1", "weighted_f1"),
)


def random_case(rng, rows, num_classes, dtype=np.float64, sharpness=1.0):
    probabilities = rng.dirichlet(np.full(num_classes, 1 / sharpness), size=rows).astype(dtype)
    return probabilities, rng.integers(0, num_classes, rows)


def assert_agrees(result, probabilities, labels, weights=None, *, top_k=5, bins=15):
    rows = probabilities.astype(np.float64).tolist(), labels.tolist()
    if weights is None:
        expected = slow_evaluation(*rows, top_k=top_k, bins=bins)
    else:
        expected = weighted_evaluation(*rows, weights.tolist(), top_k=top_k, bins=bins)
    for key in SCALARS:
        assert getattr(result, key) == pytest.approx(expected[key], rel=1e-12, abs=1e-14), key
    for key in ("precision", "recall", "f1", "support"):
        np.testing.assert_allclose(getattr(result.per_class, key), expected[key], rtol=1e-14, err_msg=key)
    np.testing.assert_allclose(result.reliability.rows, expected["bin_rows"], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("rows", "num_classes"), [(1, 1), (7, 2), (200, 3), (90, 10), (40, 130)])
def test_every_figure_is_its_definition(rows, num_classes, dtype):
    rng = np.random.default_rng(rows)
    for sharpness in (0.5, 20.0):
        probabilities, labels = random_case(rng, rows, num_classes, dtype, sharpness)
        result = ll.evaluate(probabilities, labels, top_k=3, bins=7)
        assert_agrees(result, probabilities, labels, top_k=3, bins=7)


@settings(max_examples=60)
@given(st.data())
def test_trap_31_ties_and_absent_classes(data):
    # Rows over a grid of eighths are full of ties, and of confidences that lie exactly on the edge of a bin.
    num_classes = data.draw(st.integers(1, 6))
    rows = data.draw(st.integers(1, 12))
    cuts = data.draw(
        st.lists(
            st.lists(st.integers(0, 8), min_size=num_classes - 1, max_size=num_classes - 1),
            min_size=rows,
            max_size=rows,
        )
    )
    edges = np.sort(np.array(cuts, dtype=np.float64).reshape(rows, num_classes - 1), axis=1) / 8
    probabilities = np.diff(edges, axis=1, prepend=0, append=1)
    labels = np.array(data.draw(st.lists(st.integers(0, num_classes - 1), min_size=rows, max_size=rows)))
    result = ll.evaluate(probabilities, labels, top_k=2, bins=8)
    assert_agrees(result, probabilities, labels, top_k=2, bins=8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("rows", "num_classes"), [(1, 1), (7, 2), (200, 3), (90, 10), (40, 130)])
def test_every_weighted_figure_is_its_definition(rows, num_classes, dtype):
    rng = np.random.default_rng(rows)
    for weights in (rng.exponential(size=rows), rng.integers(0, 3, rows) + (np.arange(rows) == 0)):
        probabilities, labels = random_case(rng, rows, num_classes, dtype)
        result = ll.evaluate(probabilities, labels, sample_weight=weights, top_k=3, bins=7)
        assert_agrees(result, probabilities, labels, weights, top_k=3, bins=7)
        assert result.rows == (weights > 0).sum()
        assert result.per_class.support.dtype == result.reliability.rows.dtype == np.float64


def test_whole_weights_are_repeated_rows():
    rng = np.random.default_rng(8)
    probabilities, labels = random_case(rng, 80, 6)
    weights = rng.integers(0, 4, 80)
    weighted = ll.evaluate(probabilities, labels, sample_weight=weights)
    repeated = ll.evaluate(np.repeat(probabilities, weights, axis=0), np.repeat(labels, weights))
    assert_same_figures(weighted, repeated)
    np.testing.assert_array_equal(weighted.per_class.support, repeated.per_class.support)
    np.testing.assert_array_equal(weighted.reliability.rows, repeated.reliability.rows)
    assert weighted.rows == (weights > 0).sum()


def assert_same_figures(one, other):
    for key in SCALARS[1:]:
        assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-13), key
    for key in ("precision", "recall", "f1"):
        np.testing.assert_allclose(getattr(one.per_class, key), getattr(other.per_class, key), rtol=1e-13)
    np.testing.assert_allclose(one.reliability.accuracy, other.reliability.accuracy, rtol=1e-13)
    np.testing.assert_allclose(one.reliability.confidence, other.reliability.confidence, rtol=1e-13)


@settings(max_examples=30)
@given(scale=st.floats(1e-140, 1e140), seed=st.integers(0, 100))
def test_scaling_all_weights_changes_no_figure(scale, seed):
    rng = np.random.default_rng(seed)
    probabilities, labels = random_case(rng, 30, 4)
    weights = rng.exponential(size=30) * rng.integers(0, 2, 30) + (np.arange(30) == 0)
    one = ll.evaluate(probabilities, labels, sample_weight=weights)
    other = ll.evaluate(probabilities, labels, sample_weight=scale * weights)
    assert_same_figures(one, other)
    np.testing.assert_allclose(other.per_class.support, scale * one.per_class.support, rtol=1e-13)


def test_weights_of_one_change_no_figure():
    probabilities, labels = random_case(np.random.default_rng(9), 300, 5)
    assert ll.evaluate(probabilities, labels, sample_weight=np.ones(300)) == ll.evaluate(probabilities, labels)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1, 99, 2], None),
        (np.array([0, 1, -1, 2], np.int8), None),
        (["cat", "dog", "emu", "cow"], ["cat", "dog", "cow"]),
        (np.array(["cat", "dog", None, "cow"], object), ["cat", "dog", "cow"]),
        (("cat", "dog", None, "cow"), ["cat", "dog", "cow"]),
        ([0.5, 1.5, np.nan, 2.5], [0.5, 1.5, 2.5]),
    ],
)
def test_trap_30_a_row_of_weight_0_is_as_good_as_absent(labels, classes):
    probabilities, _ = random_case(np.random.default_rng(10), 4, 3)
    kept, rest = np.array([True, True, False, True]), [label for i, label in enumerate(labels) if i != 2]
    expected = ll.evaluate(probabilities[kept], rest, classes=classes, sample_weight=[1, 2, 3])
    for nonsense in (probabilities[2], [np.nan, -np.inf, 7]):
        probabilities[2] = nonsense
        assert ll.evaluate(probabilities, labels, classes=classes, sample_weight=[1, 2, 0, 3]) == expected


def test_probability_zero_for_a_label_that_weighs_nothing_costs_nothing():
    assert ll.evaluate([[1.0, 0.0], [0.5, 0.5]], [1, 0], sample_weight=[0, 1]).log_loss == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("sample_weight", "error", "message"),
    [
        ([1, -1], ValueError, r"sample_weight: row 1 is -1.0, expected a finite number that is not negative"),
        ([np.nan, 1], ValueError, r"sample_weight: row 0 is nan"),
        ([1, np.inf], ValueError, r"sample_weight: row 1 is inf"),
        ([0, 0], ValueError, r"sample_weight: every weight is zero, expected at least one above it"),
        ([1], ValueError, r"sample_weight: shape is \(1,\), expected \(2,\)"),
        ([[1], [1]], ValueError, r"sample_weight: shape is \(2, 1\)"),
        (["a", "b"], TypeError, r"sample_weight: dtype is <U1"),
        ([1, 1e200], ValueError, r"row 1 is 1e\+200, expected 0 or a number from 1e-150 to 1e\+150; multiply all"),
        ([1e-200, 1], ValueError, r"row 0 is 1e-200, expected 0 or a number"),
    ],
)
def test_bad_weights_are_named(sample_weight, error, message):
    with pytest.raises(error, match=message):
        ll.evaluate([[0.5, 0.5], [0.5, 0.5]], [0, 1], sample_weight=sample_weight)


def test_labels_of_another_length_are_refused_beside_weights_of_zero():
    for labels in ([0], np.array([0]), [[0, 1]], 3):
        with pytest.raises(ValueError, match="labels: shape is"):
            ll.evaluate([[0.5, 0.5], [0.5, 0.5]], labels, sample_weight=[1, 0])


def test_scikit_learn_gives_the_same_weighted_figures():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    probabilities, labels = random_case(rng, 500, 12)
    labels[labels == 3] = 4
    weight, predictions, every = rng.exponential(size=500), probabilities.argmax(axis=1), np.arange(12)
    result, weighted = ll.evaluate(probabilities, labels, sample_weight=weight), {"sample_weight": weight}
    assert result.accuracy == pytest.approx(metrics.accuracy_score(labels, predictions, **weighted))
    top_k = metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every, **weighted)
    assert result.top_k_accuracy == pytest.approx(top_k)
    assert result.log_loss == pytest.approx(metrics.log_loss(labels, probabilities, labels=every, **weighted))
    assert result.macro_f1 == pytest.approx(metrics.f1_score(labels, predictions, average="macro", **weighted))
    assert result.weighted_f1 == pytest.approx(metrics.f1_score(labels, predictions, average="weighted", **weighted))
    of_classes = metrics.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=np.nan, **weighted
    )
    for name, expected in zip(("precision", "recall", "f1", "support"), of_classes, strict=True):
        np.testing.assert_allclose(getattr(result.per_class, name), expected, rtol=1e-12, err_msg=name)


def test_literal_weighted_figures():
    result = ll.evaluate([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1], sample_weight=[0.5, 1.5, 2.0])
    assert (result.rows, result.accuracy) == (3, 0.625)
    assert result.mean_confidence == pytest.approx((0.5 * 0.7 + 1.5 * 0.6 + 2.0 * 0.8) / 4)
    assert result.brier == pytest.approx((0.5 * 0.18 + 1.5 * 0.72 + 2.0 * 0.08) / 4)
    assert result.ece == pytest.approx((0.5 * 0.3 + 1.5 * 0.6 + 2.0 * 0.2) / 4)
    np.testing.assert_array_equal(result.per_class.support, [2.0, 2.0])
    np.testing.assert_array_equal(result.per_class.recall, [0.25, 1.0])
    np.testing.assert_allclose(result.per_class.precision, [1.0, 2 / 3.5])


def test_literal_figures():
    result = ll.evaluate([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3]], [0, 1, 1], top_k=2)
    assert result.accuracy == 2 / 3
    assert result.top_k_accuracy == 1.0
    assert result.log_loss == pytest.approx((0.35667494393873245 + 1.2039728043259361 + 0.6931471805599453) / 3)
    assert result.brier == pytest.approx((0.14 + 0.86 + 0.38) / 3)
    assert result.mean_confidence == pytest.approx(0.6)
    # Bins of 1/15: .7 in the 11th (right), .6 in the 9th (wrong), .5 in the 8th (right).
    assert result.ece == pytest.approx((0.3 + 0.6 + 0.5) / 3)
    np.testing.assert_array_equal(result.per_class.precision, [1, 1, 0])
    np.testing.assert_array_equal(result.per_class.recall, [1, 0.5, np.nan])
    np.testing.assert_array_equal(result.per_class.f1, [1, 2 / 3, 0])
    np.testing.assert_array_equal(result.per_class.support, [1, 2, 0])
    assert result.balanced_accuracy == 0.75
    assert result.macro_f1 == pytest.approx(5 / 9)
    assert result.weighted_f1 == pytest.approx(7 / 9)


def test_scikit_learn_gives_the_same_figures():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    probabilities, labels = random_case(rng, 500, 12)
    labels[labels == 3] = 4  # a class without rows, though it is predicted
    result, predictions, every = ll.evaluate(probabilities, labels), probabilities.argmax(axis=1), np.arange(12)
    assert result.accuracy == metrics.accuracy_score(labels, predictions)
    assert result.top_k_accuracy == metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every)
    assert result.log_loss == pytest.approx(metrics.log_loss(labels, probabilities, labels=every))
    assert result.macro_f1 == pytest.approx(metrics.f1_score(labels, predictions, average="macro"))
    assert result.weighted_f1 == pytest.approx(metrics.f1_score(labels, predictions, average="weighted"))


def test_an_overconfident_network():
    with np.load(data_file("wideresnet-cifar100.npz")) as arrays:
        result = ll.evaluate(arrays["predictions"], arrays["ground_truth"])
    assert (result.rows, result.num_classes) == (10_000, 100)
    assert result.accuracy == pytest.approx(0.754, abs=5e-4)
    assert result.mean_confidence == pytest.approx(0.802, abs=5e-4)
    assert "over-confident" in str(result)


def test_probability_zero_for_the_label_costs_infinitely_much():
    assert ll.evaluate([[1.0, 0.0], [0.5, 0.5]], [1, 0]).log_loss == math.inf


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_layout_of_memory(dtype):
    probabilities, labels = random_case(np.random.default_rng(3), 50, 7, dtype)
    expected = ll.evaluate(probabilities, labels)
    wide = np.zeros((50, 14), dtype)
    wide[:, ::2] = probabilities
    frozen = probabilities.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(probabilities), wide[:, ::2], frozen, probabilities[::-1].copy()[::-1]):
        assert ll.evaluate(same, labels) == expected
    assert ll.evaluate(probabilities.tolist(), labels.tolist()).accuracy == expected.accuracy


def test_threads_do_not_change_a_figure(monkeypatch):
    probabilities, labels = random_case(np.random.default_rng(4), 5000, 100)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        results.append(ll.evaluate(probabilities, labels))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (["cat", "dog", "cow"], ["dog", "cow", "cat", "cat"]),
        (np.array([30, 10, 20], np.int32), [10, 20, 30, 30]),
        ([2.5, 0.5, 1.5], [0.5, 1.5, 2.5, 2.5]),
        (np.array(["cat", "dog", "cow"], object), np.array(["dog", "cow", "cat", "cat"], object)),
    ],
)
def test_labels_may_be_members_of_classes(classes, labels):
    probabilities, _ = random_case(np.random.default_rng(5), 4, 3)
    named = ll.evaluate(probabilities, labels, classes=classes)
    plain = ll.evaluate(probabilities, [1, 2, 0, 0])
    assert named.to_dict() | {"classes": None} == plain.to_dict()
    assert named.classes.tolist() == list(classes)


def test_boolean_classes():
    result = ll.evaluate([[0.9, 0.1], [0.2, 0.8]], [False, True], classes=[False, True])
    assert result.accuracy == 1.0
    assert ll.Evaluation.from_json(result.to_json()).classes.dtype == bool


def test_trap_32_memory_is_linear_at_many_classes():
    # A confusion matrix of 200,000 classes would take 320 GB.
    rows, num_classes = 3, 200_000
    probabilities = np.full((rows, num_classes), 1 / num_classes, np.float32)
    result = ll.evaluate(probabilities, [0, 1, num_classes - 1])
    assert result.accuracy == pytest.approx(1 / 3)
    assert result.top_k_accuracy == pytest.approx(2 / 3)
    assert max(map(len, str(result).splitlines())) <= 80


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([[0.5, 0.5], [2.0, 1.0]], [0, 1], r"row 1 has 2 for class 0, expected numbers from 0 to 1; pass softmax"),
        ([[0.5, 0.5], [0.2, 0.2]], [0, 1], r"row 1 sums to 0.4, expected 1 within 0.001; pass softmax\(logits\)"),
        ([[0.5, 0.5], [-0.1, 1.1]], [0, 1], r"row 1 has -0.1 for class 0"),
        ([[np.nan, 0.5], [0.5, 0.5]], [0, 1], r"row 0 has nan for class 0"),
        ([[0.5, np.nan], [0.5, 0.5]], [0, 1], r"row 0 has nan for class 1"),
        ([[0.5, 0.5], [np.inf, 0.5]], [0, 1], r"row 1 has inf for class 0"),
        ([0.5, 0.5], [0, 1], r"shape is \(2,\), expected \(N, K\)"),
        (np.zeros((2, 0)), [0, 1], r"shape is \(2, 0\), expected \(N, K\)"),
        (np.zeros((0, 3)), [], r"no rows, expected at least one"),
        ([[0.5, 0.5]], [2], r"labels: row 0 is 2, but probabilities have 2 classes \(0 to 1\)"),
        ([[0.5, 0.5]], [-1], r"labels: row 0 is -1, but probabilities have 2 classes"),
        ([[0.5, 0.5]], [0, 1], r"labels: shape is \(2,\), expected \(1,\)"),
        ([[0.5, 0.5], [0.5]], [0, 1], r"probabilities: rows of different lengths"),
    ],
)
def test_bad_values_are_named(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        ll.evaluate(probabilities, labels)


def test_the_first_bad_row_is_named_whatever_the_threads(monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "4")
    probabilities, labels = random_case(np.random.default_rng(6), 20_000, 60)
    probabilities[[7_001, 19_999], 0] += 1
    with pytest.raises(ValueError, match=r"row 7001 has"):
        ll.evaluate(probabilities, labels)


@pytest.mark.parametrize(
    ("labels", "classes", "error", "message"),
    [
        (["cat", "cow"], ["cat", "dog"], ValueError, r"labels: row 1 is 'cow', which is none of the 2 classes"),
        ([0, 1], ["cat", "dog"], TypeError, r"labels: are int64, but classes are names"),
        (["cat", "dog"], ["cat", "cat"], ValueError, r"classes: 'cat' stands at 0 and at 1"),
        (["cat", "dog"], [], ValueError, r"classes: there are none"),
        (["cat", "dog"], [["cat", "dog"]], ValueError, r"classes: shape is \(1, 2\)"),
        (["cat", "dog"], ["cat", "dog", "cow"], ValueError, r"probabilities: 2 columns, expected 3"),
        (["cat"], ["cat", "dog"], ValueError, r"labels: 1 of them, expected 2"),
        ([None, "cat"], ["cat", "dog"], TypeError, r"labels: dtype is object"),
        ([0.0, np.nan], [0, 1], ValueError, r"labels: entry 1 is nan"),
    ],
)
def test_bad_class_names_are_named(labels, classes, error, message):
    with pytest.raises(error, match=message):
        ll.evaluate([[0.5, 0.5], [0.5, 0.5]], labels, classes=classes)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"top_k": 0}, ValueError), ({"bins": 0}, ValueError), ({"top_k": 2.5}, TypeError), ({"bins": True}, TypeError)],
)
def test_options_are_positive_integers(options, error):
    with pytest.raises(error, match="expected a whole number of at least 1"):
        ll.evaluate([[0.5, 0.5]], [0], **options)


def test_foreign_arrays_are_refused():
    with pytest.raises(TypeError, match="labels: dtype is float64, expected integers"):
        ll.evaluate([[0.5, 0.5]], [0.0])
    with pytest.raises(TypeError, match="probabilities: dtype is <U1"):
        ll.evaluate(np.array([["a", "b"]]), [0])


def test_json_keys_are_a_promise():
    document = json.loads(ll.evaluate([[0.7, 0.3]], [0]).to_json())
    assert list(document) == [
        "schema", "rows", "num_classes", "top_k", "accuracy", "top_k_accuracy", "log_loss", "brier", "ece",
        "mean_confidence", "balanced_accuracy", "macro_f1", "weighted_f1", "unknown_rows", "smooth_ece",
        "classwise_ece", "aurc", "unknown_auroc", "interval_confidence", "log_loss_interval", "ece_interval",
        "accuracy_interval", "aurc_interval", "per_class", "reliability", "risk_coverage", "classes",
    ]  # fmt: skip
    assert document["schema"] == 1
    assert list(document["per_class"]) == ["precision", "recall", "f1", "support", "calibration_error"]
    assert list(document["reliability"]) == ["rows", "confidence", "accuracy"]
    assert list(document["risk_coverage"]) == [
        "threshold", "coverage", "accuracy", "targets", "target_coverage", "target_threshold", "unknown_answered",
    ]  # fmt: skip


def test_what_is_read_only_compiles_nothing_anew():
    probabilities, labels = random_case(np.random.default_rng(7), 20, 4)
    expected = ll.evaluate(probabilities, labels)
    compiled = len(evaluate_rows.signatures)
    probabilities.setflags(write=False)
    labels.setflags(write=False)
    assert ll.evaluate(probabilities, labels) == expected
    assert len(evaluate_rows.signatures) == compiled


def test_trap_25_scores_are_not_taken_for_probabilities():
    scores = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match=r"pass softmax\(logits\) if these are logits"):
        ll.evaluate(scores, np.zeros(20, int))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_calibration_error_of_each_class_is_its_definition(dtype, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "2")
    monkeypatch.setattr("lastlayer.metrics.accumulator._DISPATCH", 8)
    rng = np.random.default_rng(11)
    probabilities, labels = random_case(rng, 90, 7, dtype, 3.0)
    weights = rng.integers(0, 3, 90) / 2
    probabilities[0] = np.eye(7)[2]  # 0 and 1 belong to the first bin and to the last
    rows = probabilities.astype(np.float64).tolist(), labels.tolist()
    for sample_weight, weight in ((None, np.ones(90)), (weights, weights)):
        result = ll.evaluate(probabilities, labels, sample_weight=sample_weight, bins=6, classwise=True)
        expected = classwise_errors(*rows, weight.tolist(), 6)
        np.testing.assert_allclose(result.per_class.calibration_error, expected, rtol=1e-12)
        assert result.classwise_ece == pytest.approx(np.mean(expected), rel=1e-12)
        assert ll.Evaluation.from_json(result.to_json()) == result
        assert "of the classes" in str(result)
    plain = ll.evaluate(probabilities, labels)
    assert math.isnan(plain.classwise_ece)
    assert plain.per_class.calibration_error is None


def test_two_classes_have_the_calibration_error_of_either():
    p = np.random.default_rng(12).random(500)
    labels = (np.random.default_rng(13).random(500) < p**2).astype(int)
    first, second = ll.evaluate(np.c_[1 - p, p], labels, bins=10, classwise=True).per_class.calibration_error
    assert first == pytest.approx(second, rel=1e-9)
    assert second == pytest.approx(1 / 6, abs=0.04)  # the mean of p - p^2


@pytest.mark.parametrize("options", [{}, {"classwise": True, "intervals": 0.9}, {"unknown_label": "other"}])
def test_accumulators_that_are_merged_are_one(options):
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(3), 90)
    labels = rng.choice(["a", "b", "c", *(["other"] if "unknown_label" in options else [])], 90).astype(object)
    weights = rng.integers(0, 3, 90).astype(float)
    whole, first, second = (ll.EvaluationAccumulator(classes=["a", "b", "c"], **options) for _ in range(3))
    whole.add(probabilities, labels, weights)
    first.add(probabilities[:40], labels[:40], weights[:40])
    second.add(probabilities[40:], labels[40:], weights[40:])
    first.merge(second)
    one, other = whole.result(), first.result()
    assert one.rows == other.rows
    for name in ("accuracy", "log_loss", "brier", "ece", "smooth_ece", "classwise_ece", "aurc", "unknown_auroc"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(one.per_class.recall, other.per_class.recall, rtol=1e-14)
    if one.log_loss_interval is not None:
        np.testing.assert_allclose(one.log_loss_interval, other.log_loss_interval, rtol=1e-12)


def test_an_accumulator_of_other_classes_is_refused():
    first, second = ll.EvaluationAccumulator(classes=["a", "b"]), ll.EvaluationAccumulator(classes=["a", "c"])
    with pytest.raises(ValueError, match="other: is made for classes"):
        first.merge(second)
