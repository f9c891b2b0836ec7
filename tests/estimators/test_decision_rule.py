"""A head answers by its rule: labels, "don't know" and sets; what does not fit the head is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.decision import Abstain, Argmax, LeastCost, PredictionSets, Thresholds, can_abstain
from lastlayer.estimators import RuleDroppedWarning, linear_head

RULES = [
    Argmax(),
    Abstain(0.7),
    Abstain([0.5, 0.8, 0.9]),
    LeastCost([[0, 1, 5], [2, 0, 1], [1, 1, 0]], abstain_cost=0.4),
    LeastCost(1 - np.eye(3)),
    PredictionSets(0.2),
    Thresholds([0.1, 0.5, 0.4]),
]


@pytest.fixture
def rows():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((90, 3))
    return X, np.array(["ant", "bee", "cow"])[(X + rng.standard_normal(X.shape)).argmax(axis=1)]


@pytest.fixture
def head(rows):
    return ll.SoftmaxClassifier().fit(*rows)


@pytest.mark.parametrize("rule", RULES)
def test_predict_is_the_rule_applied_to_predict_proba(head, rows, rule, monkeypatch):
    X, y = rows
    head.set_decision(rule)
    assert head.decision_ is rule
    answers = rule.apply(head.predict_proba(X))
    predicted = head.predict(X)
    if answers.ndim == 2:
        np.testing.assert_array_equal(predicted, answers)
        right = answers[np.arange(len(y)), np.searchsorted(head.classes_, y)]
    else:
        expected = [None if k < 0 else str(head.classes_[k]) for k in answers]
        assert predicted.tolist() == expected
        right = np.array([found == label for found, label in zip(expected, y, strict=True)])
    assert head.score(X, y) == pytest.approx(right.mean(), abs=1e-15)
    weight = np.random.default_rng(0).random(len(y))
    assert head.score(X, y, weight) == pytest.approx(np.average(right, weights=weight), abs=1e-15)
    monkeypatch.setattr(linear_head, "_SCORES", 21)  # 7 rows at a time
    np.testing.assert_array_equal(head.predict(X), predicted)


def test_predictions_are_objects_wherever_a_rule_may_not_know(head, rows):
    assert head.set_decision(Abstain(0.0)).predict(rows[0]).dtype == object
    assert head.set_decision(Abstain(0.0), abstain_label="?").predict(rows[0]).dtype.kind == "U"
    assert head.set_decision(LeastCost(1 - np.eye(3))).predict(rows[0]).dtype.kind == "U"


def test_dont_know_is_the_value_that_is_named(rows):
    X, y = rows
    head = ll.SoftmaxClassifier().fit(X, y).set_decision(Abstain(1.0), abstain_label="I do not know")
    assert set(head.predict(X).tolist()) == {"I do not know"}
    numbers = (
        ll.SoftmaxClassifier().fit(X, np.searchsorted(head.classes_, y)).set_decision(Abstain(1.0), abstain_label=-1)
    )
    assert numbers.predict(X).tolist() == [-1] * len(X)
    assert numbers.score(X, np.full(len(X), -1)) == 0


def test_dont_know_may_be_text_beside_objects_of_text(rows):
    X, y = rows
    head = ll.SoftmaxClassifier().fit(X, y.astype(object)).set_decision(Abstain(1.0), abstain_label="?")
    assert head.predict(X).tolist() == ["?"] * len(X)
    with pytest.raises(TypeError, match="abstain_label: received 7"):
        head.set_decision(Abstain(1.0), abstain_label=7)


@pytest.mark.parametrize(("dtype", "label"), [(np.int64, -1.5), (np.int64, np.nan), (np.uint64, -1)])
def test_dont_know_makes_no_two_classes_one(rows, dtype, label):
    X, y = rows
    classes = np.array([2**60 + 1, 2**60 + 3, 2**60 + 5], dtype)
    head = ll.SoftmaxClassifier().fit(X, classes[np.searchsorted(["ant", "bee", "cow"], y)])
    with pytest.raises(ValueError, match="in which some classes are the same number; pass a label that"):
        head.set_decision(Abstain(0.5), abstain_label=label)
    head.set_decision(Abstain(0.5), abstain_label=7)
    assert set(head.predict(X).tolist()) <= {*classes.tolist(), 7}


@pytest.mark.parametrize(
    ("rule", "label", "kind", "words"),
    [
        (LeastCost(np.eye(4)), None, ValueError, "made for 4 classes, but the model has 3; choose a rule"),
        (Abstain([0.5, 0.5]), None, ValueError, "made for 2 classes, but the model has 3"),
        ("argmax", None, TypeError, "received str, expected a rule of lastlayer.decision"),
        (Abstain, None, TypeError, "received type, expected a rule"),
        (Argmax(), "?", ValueError, "abstain_label: received '\\?', but the rule always answers; leave it out"),
        (Abstain(0.5), "bee", ValueError, "abstain_label: 'bee' is a class, expected a value that is none"),
        (Abstain(0.5), 7, TypeError, "abstain_label: received 7, expected a value of the kind of the classes"),
        (Abstain(0.5), ["?"], TypeError, "abstain_label: received \\['\\?'\\]"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(head, rule, label, kind, words):
    head.set_decision(PredictionSets(0.5))
    with pytest.raises(kind, match=words):
        head.set_decision(rule, abstain_label=label)
    assert head.decision_ == PredictionSets(0.5)


def test_a_calibration_drops_the_rule_and_says_so(head, rows):
    head.set_decision(Abstain(0.7), abstain_label="?")
    with pytest.warns(RuleDroppedWarning, match="Abstain, was dropped: it was chosen on probabilities"):
        head.calibrate(*rows)
    assert head.decision_ == Argmax()
    assert head.abstain_label_ is None
    head.calibrate(*rows)  # nothing to say
    head.set_decision(Abstain(0.7)).fit(*rows)
    assert head.decision_ == Argmax()


@pytest.mark.parametrize("rule", RULES)
def test_a_file_keeps_the_rule(head, rows, rule, tmp_path):
    label = "?" if can_abstain(rule) else None
    head.set_decision(rule, abstain_label=label).save(tmp_path / "head")
    again = ll.load(tmp_path / "head")
    assert again.decision_ == rule
    assert again.abstain_label_ == label
    np.testing.assert_array_equal(again.predict(rows[0]), head.predict(rows[0]))


def test_a_file_whose_rule_does_not_fit_is_refused(head, tmp_path, monkeypatch):
    head.decision_ = Abstain([0.5, 0.5])  # behind set_decision's back
    head.save(tmp_path / "head")
    with pytest.raises(ll.UnreadableHead, match=r"damaged.*made for 2 classes, but the model has 3"):
        ll.load(tmp_path / "head")


def test_many_labels_are_answered_by_thresholds(rows, tmp_path):
    X, y = rows
    Y = (y[:, None] == ["ant", "bee", "cow"]) | (np.random.default_rng(1).random((len(y), 3)) < 0.2)
    head = ll.SigmoidClassifier().fit(X, Y)
    assert head.decision_ == Thresholds(0.5)
    np.testing.assert_array_equal(head.predict(X), head.predict_proba(X) > 0.5)
    rule = Thresholds([0.2, 0.5, 0.8])
    predicted = head.set_decision(rule).predict(X)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, head.predict_proba(X) > [0.2, 0.5, 0.8])
    assert head.score(X, Y) == pytest.approx((predicted == Y).all(axis=1).mean())
    head.save(tmp_path / "head")
    assert ll.load(tmp_path / "head").decision_ == rule
    with pytest.raises(ValueError, match="received Abstain, expected Thresholds for a head of many labels"):
        head.set_decision(Abstain(0.5))
    with pytest.warns(RuleDroppedWarning, match="Thresholds"):
        head.calibrate(X, Y)
    assert head.decision_ == Thresholds(0.5)


def test_labels_beyond_the_largest_dense_answer_are_an_indicator_too(rows, monkeypatch):
    X, y = rows
    monkeypatch.setattr("lastlayer.decision.probability_matrix.LARGEST_DENSE", 2)
    head = ll.SigmoidClassifier().fit(X, np.array(y)[:, None] == ["ant", "bee", "cow"]).set_decision(Thresholds(0.3))
    assert sp.issparse(head.decision_.apply(head.predict_proba(X)))
    np.testing.assert_array_equal(head.predict(X), head.predict_proba(X) > 0.3)
    assert 0 < head.score(X, y[:, None] == ["ant", "bee", "cow"]) < 1
    sets = ll.SoftmaxClassifier().fit(X, y).set_decision(PredictionSets(0.3))
    assert sp.issparse(sets.predict(X))
    held = sets.predict_proba(X)[np.arange(len(y)), np.searchsorted(sets.classes_, y)] >= 0.3
    assert sets.score(X, y) == pytest.approx(held.mean())


def test_one_of_two_labels_may_be_unknown(rows):
    X, y = rows
    two = np.where(y == "ant", "yes", "no")
    head = ll.SigmoidClassifier().fit(X, two)
    assert head.decision_ == Argmax()
    before = head.predict(X)
    head.set_decision(Abstain(0.8), abstain_label="maybe")
    sure = head.predict_proba(X).max(axis=1) >= 0.8
    assert head.predict(X).tolist() == np.where(sure, before, "maybe").tolist()
    assert head.score(X, two) == pytest.approx((sure & (before == two)).mean())
    assert head.set_decision(PredictionSets(0.3)).predict(X).shape == (len(X), 2)


def test_labels_that_are_no_class_are_not_right(head, rows):
    X, y = rows
    others = np.where(np.arange(len(y)) < 30, "yak", y)
    assert head.score(X, others) == pytest.approx((head.predict(X) == others).mean())
    assert head.set_decision(PredictionSets(0.01)).score(X, others) <= 60 / 90
    with pytest.raises(ValueError, match="y: has 5 labels, expected 90, one for each row of X"):
        head.score(X, y[:5])
