import base64
import hashlib
import re

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.metrics import DetailedAccumulator
from lastlayer.report import FileFingerprint, Provenance, report_page
from tests.report.reading import Page

ALERT, IMAGE = '<script>alert("x")</script>', "</script><img src=x onerror=alert(1)>"
HOSTILE = [ALERT, IMAGE, "🦊 & 'quotes\" <!--", "nul\x00 \x1b[31m"]


def problem(rows=400, classes=4, seed=0, beta=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    logits = 1.5 * rng.standard_normal((rows, classes))
    logits[np.arange(rows), labels] += 2
    return ll.softmax(beta * logits), labels


def detailed(p, labels, names=None, **options):
    names = np.arange(p.shape[1]) if names is None else np.array(names, object)
    accumulator = DetailedAccumulator(names, intervals=0.9, **options)
    accumulator.add(p, names[labels], describe=lambda row: {"text": f"row <{row}>"})
    return accumulator.result()


def test_a_page_is_whole_and_loads_nothing():
    evaluation, detail = detailed(*problem())
    text = report_page(evaluation, detail, Provenance(title="m", command="lastlayer <x>", decision=("Abstain",)))
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "img", "iframe", "base", "object", "embed"})
    for _, attributes in page.tags:
        assert not {"src", "style"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text
    identities = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    for _, attributes in page.tags:
        if "href" in attributes:
            assert attributes["href"][1:] in identities


def test_its_policy_allows_its_own_style_and_script_alone():
    text = report_page(*detailed(*problem()))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none';")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_its_numbers_are_those_of_the_evaluation():
    p, labels = problem()
    evaluation, detail = detailed(p, labels)
    page = Page(report_page(evaluation, detail))
    text = " ".join(page.text)
    for figure in (evaluation.accuracy, evaluation.log_loss, evaluation.ece, evaluation.macro_f1, evaluation.aurc):
        assert f"{figure:.4f}" in text
    low, high = evaluation.log_loss_interval
    assert f"{low:.4f} to {high:.4f}" in text
    for k in range(4):
        row = next(row for row in page.rows if row[0] == str(k) and len(row) == 5)
        of_class = evaluation.per_class
        expected = [of_class.f1[k], of_class.precision[k], of_class.recall[k]]
        assert row[1:4] == [f"{value:.4f}" for value in expected]
        assert row[4] == str((labels == k).sum())


def test_the_explorer_counts_what_a_threshold_answers():
    p, labels = problem()
    page = Page(report_page(*detailed(p, labels)))
    data = page.embedded
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    assert len(data["threshold"]) == 1000
    for stop in (0, 250, 500, 777, 999):
        answered = confidence >= data["threshold"][stop]
        assert data["answered"][stop] == answered.sum()
        assert data["right"][stop] == (answered & right).sum()
    assert data["rows"] == 400
    assert page.outputs["coverage"] == "100.0 %"
    assert page.outputs["precision"] == f"{100 * right.mean():.1f} %"
    assert page.outputs["cost"] == f"{1 - right.mean():.4f}"


def test_unknown_rows_are_counted_apart():
    p, labels = problem()
    named = np.array(["a", "b", "c", "d"], object)[labels]
    named[:100] = "other"
    accumulator = DetailedAccumulator(["a", "b", "c", "d"], unknown_label="other")
    accumulator.add(p, named)
    evaluation, detail = accumulator.result()
    page = Page(report_page(evaluation, detail))
    data, confidence = page.embedded, p.max(axis=1)
    assert (data["rows"], data["unknownRows"], evaluation.rows) == (300, 100, 300)
    assert data["unknown"][600] == (confidence[:100] >= 0.6).sum()
    assert data["answered"][600] == (confidence[100:] >= 0.6).sum()
    assert page.outputs["unknown"] == "100.0 %"
    assert any("none of them" in row for row in page.rows)
    assert sum(mistake.label == -1 for mistake in detail.mistakes) > 0


def test_everything_of_the_data_is_escaped():
    p, labels = problem()
    names = np.array(HOSTILE, object)
    accumulator = DetailedAccumulator(names)
    accumulator.add(p, names[labels], describe=lambda row: {HOSTILE[0]: HOSTILE[row % 4]})
    origin = Provenance(
        HOSTILE[1], ((HOSTILE[0], HOSTILE[1]),), (), (FileFingerprint(HOSTILE[0], 3, "ab"),), *HOSTILE[:2]
    )
    text = report_page(*accumulator.result(), origin)
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "img" not in {tag for tag, _ in page.tags}
    assert "\x00" not in text
    assert "\x1b" not in text
    cells = {cell for row in page.rows for cell in row}
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[2], "nul\\x00 \\x1b[31m"} <= cells


@pytest.mark.parametrize("classes", [1, 2, 30, 31])
def test_any_number_of_classes(classes):
    evaluation, detail = detailed(*problem(classes=classes))
    page = Page(report_page(evaluation, detail))
    has_matrix = any("matrix" in attributes.get("class", "") for _, attributes in page.tags)
    assert has_matrix == (2 <= classes <= 30)


def test_a_matrix_is_the_counts_of_its_pairs():
    p, labels = problem(classes=3)
    page = Page(report_page(*detailed(p, labels, ["ant", "bee", "cat"])))
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (labels, p.argmax(axis=1)), 1)
    matrix = [row for row in page.rows if len(row) == 4 and row[0] in ("ant", "bee", "cat") and "%" not in row[3]]
    assert [[int(cell or 0) for cell in row[1:]] for row in matrix] == expected.tolist()


def test_a_thousand_classes_are_within_600_kilobytes():
    rng = np.random.default_rng(0)
    names = np.array([f"{'a long name of a class, ' * 4}{k}" for k in range(1000)], object)
    p = rng.dirichlet(np.full(1000, 0.05), 3000)
    accumulator = DetailedAccumulator(names, classwise=True)
    labels = names[rng.integers(0, 990, 3000)]  # ten are absent
    accumulator.add(p, labels, describe=lambda row: {"text": "word " * 1000, "id": row})
    text = report_page(*accumulator.result())
    assert len(text.encode()) <= 600_000
    assert len([row for row in Page(text).rows if len(row) == 6]) >= 1000


def test_many_classes_show_the_worst():
    p = np.full((3, 1500), 1 / 1500)
    page = Page(report_page(ll.evaluate(p, [0, 1, 2])))
    assert "1,500" in " ".join(page.text)
    assert sum(len(row) == 5 for row in page.rows) <= 1000 + 16


def test_an_evaluation_alone_leaves_out_what_it_does_not_know():
    p, labels = problem()
    evaluation = ll.evaluate(p, labels)
    page = Page(report_page(evaluation))
    names = {attributes["id"] for tag, attributes in page.tags if tag == "section"}
    assert names == {"summary", "calibration", "thresholds", "classes", "origin"}
    data, confidence = page.embedded, p.max(axis=1)
    right = p.argmax(axis=1) == labels
    for stop in (0, len(data["threshold"]) // 2, -1):
        answered = confidence >= data["threshold"][stop]
        assert data["answered"][stop] == pytest.approx(answered.sum(), rel=1e-5)
        assert data["right"][stop] == pytest.approx((answered & right).sum(), rel=1e-5)


def test_weighted_rows_and_a_perfect_model():
    weight = np.linspace(0.1, 2, 400)
    p, labels = problem()
    accumulator = DetailedAccumulator(np.arange(4))
    accumulator.add(p, labels, weight)
    evaluation, detail = accumulator.result()
    assert Page(report_page(evaluation, detail)).embedded["rows"] == pytest.approx(weight.sum(), rel=1e-5)
    perfect = np.eye(3)
    page = Page(report_page(*detailed(perfect, np.arange(3))))
    assert "confusions" not in {attributes.get("id") for _, attributes in page.tags}


def test_the_diagram_before_calibration():
    p, labels = problem()
    uncalibrated, _ = problem(beta=0.3)
    accumulator = DetailedAccumulator(np.arange(4))
    accumulator.add(p, labels, before=uncalibrated.max(axis=1))
    evaluation, detail = accumulator.result()
    expected = ll.evaluate(uncalibrated, labels).reliability
    np.testing.assert_allclose(detail.before.confidence, expected.confidence, rtol=1e-12)
    np.testing.assert_array_equal(detail.before.rows, expected.rows)
    np.testing.assert_allclose(detail.before.accuracy, expected.accuracy, rtol=1e-12)
    assert "before calibration" in report_page(evaluation, detail)
    assert "before calibration" not in report_page(evaluation)
