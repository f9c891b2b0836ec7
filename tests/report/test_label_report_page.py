import numpy as np
import pytest

import lastlayer as ll
from lastlayer.metrics import DetailedLabelAccumulator
from lastlayer.report import label_report_page
from tests.report.reading import Page


def problem(rows=300, labels=5, seed=1):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((rows, labels)) * 2 - 1
    return logits, rng.random((rows, labels)) < ll.sigmoid(logits)


def test_its_numbers_are_those_of_the_evaluation():
    logits, answers = problem()
    names = np.array(["<b>", "joy", "anger", "fear", "🦊"], object)
    accumulator = DetailedLabelAccumulator(names, intervals=0.9)
    accumulator.add_logits(logits, answers, describe=lambda row: {"text": f"<i>{row}"})
    evaluation, detail = accumulator.result()
    page = Page(label_report_page(evaluation, detail))
    text = " ".join(page.text)
    for figure in (evaluation.micro_f1, evaluation.macro_f1, evaluation.exact_match, evaluation.log_loss):
        assert f"{figure:.4f}" in text
    expected = evaluation.per_label
    row = page.row("<b>")
    assert row[1:4] == [f"{array[0]:.4f}" for array in (expected.f1, expected.precision, expected.recall)]


def test_the_explorer_counts_what_a_threshold_predicts():
    logits, answers = problem()
    accumulator = DetailedLabelAccumulator(np.arange(5))
    accumulator.add_logits(logits, answers)
    page = Page(label_report_page(*accumulator.result()))
    data, p = page.embedded, ll.sigmoid(logits)
    for stop in (0, 20, 100, 199):
        evaluation = ll.evaluate_labels(p, answers, threshold=data["threshold"][stop])
        predicted = p > data["threshold"][stop]
        assert data["predicted"][stop] == predicted.sum()
        assert data["right"][stop] == (predicted & answers).sum()
        assert data["macro"][stop] == pytest.approx(evaluation.macro_f1, abs=1e-5)
    at_half = ll.evaluate_labels(p, answers)
    assert page.outputs["micro"] == f"{at_half.micro_f1:.4f}"
    assert page.outputs["macro"] == f"{at_half.macro_f1:.4f}"


def test_an_evaluation_alone():
    logits, answers = problem()
    page = Page(label_report_page(ll.evaluate_labels(ll.sigmoid(logits), answers)))
    names = {attributes["id"] for tag, attributes in page.tags if tag == "section"}
    assert names == {"summary", "calibration", "classes", "origin"}
    assert page.embedded is None
