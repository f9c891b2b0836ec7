import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import lastlayer as ll
from tests.oracles import selective


def data(seed=0, rows=120, num_classes=4):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(num_classes, 0.5), rows)
    labels = rng.integers(0, num_classes, rows)
    return p, labels, rng.random(rows) < 0.3


@pytest.mark.parametrize("kind", ["names", "lists", "numbers", "just numbers", "objects"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_no_class_are_in_no_figure_but_their_own(kind, weighted):
    p, labels, strange = data()
    weight = np.random.default_rng(1).integers(0, 3, 120).astype(float) if weighted else None
    names = np.array(["cat", "dog", "cow", "hen"])
    classes, unknown = {"numbers": (np.array([10, 20, 30, 40]), 99), "just numbers": (None, -1)}.get(
        kind, (names, "out_of_scope")
    )
    given = labels if classes is None else classes[labels]
    given = np.where(strange, unknown, given.astype(object))
    if kind in ("names", "numbers", "just numbers"):
        given = np.array(given.tolist())
    given = given.tolist() if kind == "lists" else given
    result = ll.evaluate(
        p, given, classes=classes, sample_weight=weight, unknown_label=unknown, classwise=True, intervals=0.9
    )
    kept = None if weight is None else weight[~strange]
    known = labels[~strange] if classes is None else classes[labels[~strange]]
    expected = ll.evaluate(p[~strange], known, classes=classes, sample_weight=kept, classwise=True, intervals=0.9)
    own = ("unknown_rows", "unknown_auroc", "risk_coverage")
    found, alone = result.to_dict(), expected.to_dict()
    assert {key: found[key] for key in found if key not in own} == {key: alone[key] for key in alone if key not in own}
    counts = np.ones(120, bool) if weight is None else weight > 0
    assert result.unknown_rows == (strange & counts).sum()
    confidence, ones = p.max(axis=1), np.ones(120) if weight is None else weight
    auroc = roc_auc_score(~strange[counts], confidence[counts], sample_weight=ones[counts])
    assert result.unknown_auroc == pytest.approx(auroc, abs=2e-3)
    curve = result.risk_coverage
    for threshold, share in zip(curve.threshold, curve.unknown_answered, strict=True):
        assert share == pytest.approx(ones[strange & (confidence >= threshold)].sum() / ones[strange].sum())
    assert expected.unknown_rows is None
    assert expected.risk_coverage.unknown_answered is None


def test_the_auroc_is_its_definition_with_ties():
    rng = np.random.default_rng(2)
    confidence = rng.integers(33, 50, 60) / 64  # cells of their own
    strange = rng.random(60) < 0.4
    result = ll.evaluate(np.c_[confidence, 1 - confidence], np.where(strange, 7, 0), unknown_label=7)
    pairs = [[(c, 1) for c in confidence[which]] for which in (strange, ~strange)]
    assert result.unknown_auroc == pytest.approx(selective.area_under_roc(*pairs), rel=1e-12)
    assert "rows of no class" in str(result)


def test_none_of_them_is_no_error_and_nothing_else_is():
    p, labels, _ = data()
    result = ll.evaluate(p, labels, unknown_label=-1)
    assert result.unknown_rows == 0
    assert np.isnan(result.unknown_auroc)
    assert "AUROC                       -" in str(result)
    with pytest.raises(ValueError, match="labels: all 120 are -1, the unknown label, expected at least one of a class"):
        ll.evaluate(p, np.full(120, -1), unknown_label=-1)
    with pytest.raises(ValueError, match="row 1 has nan for class 0"):
        ll.evaluate([[0.5, 0.5], [np.nan, 1]], [0, -1], unknown_label=-1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unknown_label": 1}, ValueError, "unknown_label: received 1, which is one of the 2 classes"),
        ({"unknown_label": "x"}, TypeError, "unknown_label: received 'x', expected a number, as the classes are"),
        ({"unknown_label": np.nan}, TypeError, "unknown_label: received nan"),
        ({"unknown_label": "a", "classes": ["a", "b"]}, ValueError, "is one of the 2 classes"),
        ({"unknown_label": 3, "classes": ["a", "b"]}, TypeError, "received 3, expected a name"),
    ],
)
def test_labels_that_cannot_be_that(options, error, message):
    with pytest.raises(error, match=message):
        ll.evaluate([[0.5, 0.5]], ["a" if "classes" in options else 0], **options)


def test_other_labels_are_still_refused():
    with pytest.raises(ValueError, match="row 1 is 'emu', which is none of the 2 classes"):
        ll.evaluate([[0.5, 0.5]] * 3, ["a", "emu", "oos"], classes=["a", "b"], unknown_label="oos")
    with pytest.raises(ValueError, match=r"labels: shape is \(1,\), expected \(2,\)"):
        ll.evaluate([[0.5, 0.5]] * 2, [0], unknown_label=-1)
