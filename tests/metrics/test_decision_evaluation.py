import json
import math
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import lastlayer as ll
from lastlayer.metrics.decision_evaluation import clopper_pearson


def test_every_figure_is_its_definition():
    rng = np.random.default_rng(0)
    decisions, labels, weight = rng.integers(-1, 3, 90), rng.integers(0, 4, 90), rng.integers(0, 3, 90) / 2
    cost = rng.random((3, 3))
    names = np.array(["a", "b", "c", "other"])
    found = ll.evaluate_decisions(
        decisions,
        names[labels],
        classes=names[:3],
        cost=cost,
        abstain_cost=0.25,
        unknown_label="other",
        sample_weight=weight,
    )
    rows = [row for row in zip(decisions, labels, map(Fraction, weight), strict=True) if row[2] > 0]
    known, unknown = ([row for row in rows if (row[1] == 3) == which] for which in (False, True))
    total = sum(w for _, _, w in known)
    answered = sum(w for d, _, w in known if d >= 0)
    right = sum(w for d, y, w in known if d == y)
    assert found.rows == len(known)
    assert found.answered == pytest.approx(float(answered / total))
    assert found.accuracy_answered == pytest.approx(float(right / answered))
    assert found.accuracy == pytest.approx(float(right / total))
    costs = [w * Fraction(cost[y, d] if d >= 0 else 0.25) for d, y, w in known]
    assert found.mean_cost == pytest.approx(float(sum(costs) / total))
    assert found.accuracy_interval is None
    assert found.unknown_rows == len(unknown)
    share = sum(w for d, _, w in unknown if d >= 0) / sum(w for _, _, w in unknown)
    assert found.unknown_answered == pytest.approx(float(share))


def test_literal_figures_text_and_json():
    found = ll.evaluate_decisions([0, 1, -1, 1, 0], [0, 1, 1, 0, 9], unknown_label=9)
    assert (found.answered, found.accuracy, found.unknown_answered) == (0.75, 0.5, 1.0)
    assert found.accuracy_answered == pytest.approx(2 / 3)
    assert str(found).splitlines()[1:3] == [
        "answered                 0.7500",
        "  right of those         0.6667  0.0943 to 0.9916 at 95 %",
    ]
    assert str(found).splitlines()[-1] == "  answered               1.0000"
    document = json.loads(found.to_json())
    assert (document["schema"], document["mean_cost"]) == (1, None)
    nothing = ll.evaluate_decisions([-1, -1], [0, 1])
    assert math.isnan(nothing.accuracy_answered)
    assert (nothing.answered, nothing.accuracy_interval) == (0.0, (0.0, 1.0))
    assert "mean cost" in str(ll.evaluate_decisions([0], [0], cost=[[2.0]]))


def test_the_interval_holds_the_share_as_surely_as_it_says():
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert clopper_pearson(10, 10) == pytest.approx((0.025**0.1, 1))
    for share in (0.03, 0.5, 0.95):
        inside = 0.0
        for k in range(21):
            low, high = clopper_pearson(k, 20)
            inside += math.comb(20, k) * share**k * (1 - share) ** (20 - k) * (low <= share <= high)
        assert inside >= 0.95


def test_a_row_of_weight_0_is_as_good_as_absent():
    expected = ll.evaluate_decisions([0, 1], [0, 0], sample_weight=[1, 2])
    assert ll.evaluate_decisions([0, -7, 1], [0, -3, 0], sample_weight=[1, 0, 2]) == expected


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([[0]], [0]), {}, ValueError, r"decisions: shape is \(1, 1\), expected \(N,\)"),
        (([0.5], [0]), {}, TypeError, "decisions: dtype is float64, expected class indices"),
        (([], []), {}, ValueError, "decisions: no rows"),
        (([0, -2], [0, 0]), {}, ValueError, "decisions: row 1 is -2, expected a class index, or -1"),
        (([0, 2], ["a", "b"]), {"classes": ["a", "b"]}, ValueError, "decisions: row 1 is 2, expected 0 to 1, or -1"),
        (([0], ["c"]), {"classes": ["a", "b"]}, ValueError, "row 0 is 'c', which is none of the 2 classes"),
        (([0, 1], [0]), {}, ValueError, r"labels: shape is \(1,\), expected \(2,\)"),
        (([0], [-1]), {}, ValueError, "labels: row 0 is -1, but decisions have 1 classes"),
        (([0], [5]), {"unknown_label": 5}, ValueError, "labels: no row of a class"),
        (([0], [0]), {"cost": [[0, 1]]}, ValueError, r"cost: shape is \(1, 2\), expected \(K, K\)"),
        (([0], [0]), {"cost": [[np.nan]]}, ValueError, "cost: row 0, column 0 is nan, expected a finite"),
        (([0], [1]), {"cost": [[1.0]]}, ValueError, "labels: row 0 is 1, but decisions have 1 classes"),
        (([-1], [0]), {"cost": [[1.0]]}, ValueError, "abstain_cost: received None, expected a finite number"),
        (([0], ["a"]), {"cost": [[1.0]], "classes": ["a", "b"]}, ValueError, "classes: 2 of them, expected 1"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ll.evaluate_decisions(*arguments, **options)


def test_how_well_scores_tell_rows_of_no_class():
    rng = np.random.default_rng(9)
    labels, weight = rng.integers(-1, 3, 200), rng.integers(0, 3, 200) / 2
    scores = np.round(rng.random(200) + 0.3 * (labels >= 0), 2)  # some are equal
    answers = np.where(scores > 0.5, 0, -1)
    for weights in (None, weight):
        result = ll.evaluate_decisions(answers, labels, unknown_label=-1, scores=scores, sample_weight=weights)
        expected = roc_auc_score(labels >= 0, scores, sample_weight=weights)
        assert result.unknown_auroc == pytest.approx(expected, abs=1e-12)
        assert f"{expected:.4f}  score of the others above theirs" in str(result)
    assert np.isnan(ll.evaluate_decisions(answers, labels, unknown_label=-1).unknown_auroc)
    assert np.isnan(ll.evaluate_decisions([0, 1], [0, 1], unknown_label=-1, scores=[0.5, 0.1]).unknown_auroc)
    scores[4] = np.nan
    with pytest.raises(ValueError, match="scores: row 4 is nan, expected a finite number"):
        ll.evaluate_decisions(answers, labels, unknown_label=-1, scores=scores)
    with pytest.raises(ValueError, match=r"scores: shape is \(3,\), expected \(200,\)"):
        ll.evaluate_decisions(answers, labels, unknown_label=-1, scores=[1, 2, 3])
