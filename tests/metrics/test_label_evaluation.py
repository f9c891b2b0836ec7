import json

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import metrics

import lastlayer as ll

N, K = 200, 6


def data(seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random((N, K)) < np.linspace(0.05, 0.6, K)
    return np.clip(0.6 * truth + 0.4 * rng.random((N, K)), 1e-3, 1 - 1e-3), truth


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_matrix, lambda Y: Y.astype(int).tolist()])
@pytest.mark.parametrize("threshold", [0.5, 0.62])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_figure_is_scikit_learns(form, threshold, weighted):
    p, truth = data()
    weight = np.random.default_rng(1).integers(0, 4, N).astype(float) if weighted else None
    found = ll.evaluate_labels(p, form(truth), sample_weight=weight, threshold=threshold)
    given = truth, p > threshold
    options = {"sample_weight": weight}
    assert found.exact_match == pytest.approx(metrics.accuracy_score(*given, **options))
    for average in ("micro", "macro"):
        assert getattr(found, f"{average}_f1") == pytest.approx(metrics.f1_score(*given, average=average, **options))
    assert found.micro_precision == pytest.approx(metrics.precision_score(*given, average="micro", **options))
    assert found.micro_recall == pytest.approx(metrics.recall_score(*given, average="micro", **options))
    np.testing.assert_allclose(found.per_label.f1, metrics.f1_score(*given, average=None, **options))
    each = [metrics.log_loss(truth[:, k], p[:, k], **options) for k in range(K)]
    assert found.log_loss == pytest.approx(np.mean(each))
    each = [metrics.brier_score_loss(truth[:, k], p[:, k], **options) for k in range(K)]
    assert found.brier == pytest.approx(np.mean(each))
    ones = np.ones(N) if weight is None else weight
    assert found.labels_per_row == pytest.approx(np.average(truth.sum(axis=1), weights=ones))
    assert found.rows == (ones > 0).sum()
    gap = 0.0
    for m in range(15):
        inside = (p > m / 15) & (p <= (m + 1) / 15)
        w = (ones[:, None] * inside).sum()
        gap += abs((ones[:, None] * inside * (p - truth)).sum()) if w else 0.0
    assert found.ece == pytest.approx(gap / (ones.sum() * K))


def test_blocks_add_up_and_a_row_of_weight_0_is_absent(monkeypatch):
    p, truth = data(2)
    whole = ll.evaluate_labels(p, truth, classes=list("abcdef"))
    accumulator = ll.LabelEvaluationAccumulator(classes=list("abcdef"))
    for rows in (slice(0, 1), slice(1, 77), slice(77, N)):
        accumulator.add(p[rows], sp.csr_array(truth[rows]))
    assert accumulator.rows == N
    found, expected = accumulator.result().to_dict(), whole.to_dict()
    for key in ("micro_f1", "log_loss", "brier", "ece", "exact_match"):
        assert found[key] == pytest.approx(expected[key], rel=1e-12)
    spoilt = p.copy()
    spoilt[0] = np.nan
    weight = np.ones(N)
    weight[0] = 0
    absent = ll.evaluate_labels(p[1:], truth[1:], sample_weight=weight[1:])
    assert ll.evaluate_labels(spoilt, truth, sample_weight=weight) == absent


def test_text_and_json():
    truth = data(3)[1]
    truth[:, 0] = False
    result = ll.evaluate_labels(np.where(truth, 1.0, 0.0), truth, classes=["a", "b", "c", "d", "e", "f"])
    text = str(result)
    assert "exact match              1.0000" in text
    assert "label" in text
    document = json.loads(result.to_json())
    assert (document["schema"], document["many_labels"], document["micro_f1"]) == (1, True, 1.0)
    assert document["per_label"]["f1"][0] is None
    assert document["classes"] == ["a", "b", "c", "d", "e", "f"]
    wrong = ll.evaluate_labels([[0.0, 1.0]], [[1, 0]])
    assert json.loads(wrong.to_json())["log_loss"] == "Infinity"
    assert str(wrong)
    assert "the 5 lowest F1" in str(ll.evaluate_labels(np.full((2, 40), 0.4), np.eye(2, 40)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5, 1.5]], [[1, 0]]), "row 0 has 1.5 for label 1, expected numbers from 0 to 1; pass sigmoid"),
        (([[0.5, np.nan]], [[1, 0]]), "row 0 has nan for label 1"),
        (([0.5], [1]), r"shape is \(1,\), expected \(N, K\)"),
        (([[0.5, 0.5]], [[1]]), r"answers: shape is \(1, 1\), expected \(1, 2\)"),
        ((np.empty((0, 2)), np.empty((0, 2))), "no rows of a weight above 0"),
    ],
)
def test_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ll.evaluate_labels(*arguments)


def test_parameters_and_later_blocks_that_do_not_fit():
    with pytest.raises(ValueError, match=r"threshold: received 2, expected a number from 0 to 1"):
        ll.LabelEvaluationAccumulator(threshold=2)
    with pytest.raises(ValueError, match="bins: received 0, expected a whole number of at least 1"):
        ll.LabelEvaluationAccumulator(bins=0)
    with pytest.raises(ValueError, match="3 columns, expected 2, one for each label"):
        ll.LabelEvaluationAccumulator(classes=["a", "b"]).add([[0.1, 0.2, 0.3]], [[1, 0, 0]])


@pytest.mark.parametrize("answers", [[[-1, 1]], [[0.5, 0]], [[2, 0]], [[np.nan, 0]]])
def test_answers_are_0_or_1(answers):
    with pytest.raises(ValueError, match=r"answers: row 0 has .* in column 0, expected an indicator"):
        ll.evaluate_labels([[0.5, 0.5]], answers)
    with pytest.raises(ValueError, match="'a' stands at 0 and at 1, expected each class once"):
        ll.LabelEvaluationAccumulator(classes=["a", "a"])


def test_logits_have_finite_losses_however_sure_they_are():
    p, truth = data(4)
    logits = np.log(p) - np.log1p(-p)
    accumulator = ll.LabelEvaluationAccumulator()
    accumulator.add_logits(logits, truth)
    found, expected = accumulator.result().to_dict(), ll.evaluate_labels(p, truth).to_dict()
    for key in ("micro_f1", "log_loss", "brier", "ece", "exact_match"):
        assert found[key] == pytest.approx(expected[key], rel=1e-9)
    sure = ll.LabelEvaluationAccumulator()
    sure.add_logits(np.array([[40.0, -900.0]], np.float32), [[0, 1]])
    assert sure.result().log_loss == pytest.approx(470.0)


def test_intervals_hold_the_figures_and_are_as_wide_as_theory_says():
    rng = np.random.default_rng(5)
    truth = rng.random((3000, 4)) < 0.4
    p = np.clip(0.5 * truth + 0.6 * rng.random((3000, 4)), 0.01, 0.99)
    found = ll.evaluate_labels(p, truth, intervals=0.95)
    for name in ("exact_match", "micro_f1", "log_loss"):
        low, high = getattr(found, f"{name}_interval")
        assert low < getattr(found, name) < high
    half = 1.96 * np.sqrt(found.exact_match * (1 - found.exact_match) / 3000)
    expected = found.exact_match - half, found.exact_match + half
    assert found.exact_match_interval == pytest.approx(expected, abs=0.2 * half)
    assert found.interval_confidence == 0.95
    assert f"{found.micro_f1_interval[0]:.4f} to " in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    sure = ll.evaluate_labels([[1.0], [0.5], [0.5]] * 20, [[0], [1], [0]] * 20, intervals=0.9)
    assert sure.log_loss_interval == (np.inf, np.inf)
    with pytest.raises(ValueError, match="intervals: received 2, expected a confidence below 1"):
        ll.evaluate_labels([[0.5]], [[1]], intervals=2)


def test_blocks_rank_and_count_as_the_whole_whatever_the_threads(monkeypatch):
    p, truth = data(6)
    whole = ll.evaluate_labels(p, truth)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    monkeypatch.setattr("lastlayer.metrics.label_accumulator._DISPATCH", 8)
    accumulator = ll.LabelEvaluationAccumulator()
    for rows in (slice(0, 3), slice(3, 120), slice(120, N)):
        accumulator.add(p[rows], truth[rows])
    found = accumulator.result()
    np.testing.assert_array_equal(found.per_label.average_precision, whole.per_label.average_precision)
    for name in ("ranking_loss", "coverage_error", "label_ranking_average_precision", "micro_average_precision"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-12)


def test_each_label_may_have_a_threshold_of_its_own():
    rng = np.random.default_rng(8)
    p, answers, threshold = rng.random((50, 3)), rng.random((50, 3)) < 0.4, np.array([0.2, 0.5, 0.9])
    result = ll.evaluate_labels(p, answers, threshold=threshold)
    each = [ll.evaluate_labels(p[:, [k]], answers[:, [k]], threshold=threshold[k]) for k in range(3)]
    assert result.per_label.f1.tolist() == [one.per_label.f1[0] for one in each]
    assert result.exact_match == ((p > threshold) == answers).all(axis=1).mean()
    assert result.to_dict()["threshold"] == [0.2, 0.5, 0.9]
    assert "above its threshold, 0.2 to 0.9" in str(result)
    with pytest.raises(ValueError, match=r"threshold: shape is \(2,\), expected one number, or \(3,\)"):
        ll.evaluate_labels(p, answers, threshold=[0.1, 0.2])


def test_accumulators_merge_only_if_they_are_made_alike():
    ours = ll.LabelEvaluationAccumulator(threshold=[0.5, 0.4])
    with pytest.raises(ValueError, match=r"other: is made for threshold 0.5, expected \[0.5, 0.4\], as this one"):
        ours.merge(ll.LabelEvaluationAccumulator())
    ours.merge(ll.LabelEvaluationAccumulator(threshold=[0.5, 0.4]))
    assert ours.rows == 0
    theirs = ll.LabelEvaluationAccumulator(threshold=[0.5, 0.4])
    theirs.add([[0.9, 0.45]], [[1, 1]], [2.0])
    ours.merge(theirs)
    assert (ours.result().exact_match, ours.result().rows) == (1.0, 1)
