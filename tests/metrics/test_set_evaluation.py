import json
import math

import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_matrix, lambda s: s.astype(int).tolist()])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_figure_is_its_definition(form, weighted):
    rng = np.random.default_rng(0)
    sets, labels = rng.random((70, 15)) < rng.random((70, 1)), rng.integers(-1, 15, 70)
    sets[:4] = False
    weight = rng.integers(0, 3, 70) if weighted else None
    found = ll.evaluate_sets(form(sets), labels, unknown_label=-1, sample_weight=weight)
    ones = [1] * 70 if weight is None else weight.tolist()
    rows = [(set(np.flatnonzero(s).tolist()), int(y), w) for s, y, w in zip(sets, labels, ones, strict=True) if w]
    known = [row for row in rows if row[1] >= 0]
    unknown = [row for row in rows if row[1] < 0]
    total = sum(w for _, _, w in known)
    assert (found.rows, found.num_classes, found.unknown_rows) == (len(known), 15, len(unknown))
    assert found.coverage == pytest.approx(sum(w for s, y, w in known if y in s) / total)
    assert found.mean_size == pytest.approx(sum(w * len(s) for s, _, w in known) / total)
    assert found.largest == max(len(s) for s, _, _ in known)
    by_size = [sum(w for s, _, w in known if len(s) == size) / total for size in range(11)]
    assert found.size_share == pytest.approx([*by_size, 1 - sum(by_size)])
    expected = sum(w * len(s) for s, _, w in unknown) / sum(w for _, _, w in unknown)
    assert found.unknown_mean_size == pytest.approx(expected)
    assert (found.coverage_interval is None) == weighted


def test_literal_figures_text_and_json():
    found = ll.evaluate_sets([[1, 0], [1, 1], [0, 0]], ["a", "b", "b"], classes=["a", "b"])
    assert (found.coverage, found.mean_size) == (pytest.approx(2 / 3), 1.0)
    assert found.coverage_interval == pytest.approx((0.0943, 0.9916), abs=1e-4)
    lines = str(found).splitlines()
    assert lines[2:4] == [
        "coverage                 0.6667  0.0943 to 0.9916 at 95 %",
        "mean size                  1.00  at most 2",
    ]
    assert math.isnan(found.unknown_mean_size)
    assert json.loads(found.to_json())["unknown_mean_size"] is None
    assert "rows of no class" in str(ll.evaluate_sets([[1, 0]], [0], unknown_label=5))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([0], [0]), {}, ValueError, r"sets: shape is \(1,\), expected \(N, K\)"),
        (([[0, 2]], [0]), {}, ValueError, "sets: row 0 has 2 in column 1, expected an indicator"),
        (([["a", "b"]], [0]), {}, TypeError, "sets: dtype is <U1"),
        ((np.zeros((0, 2), bool), []), {}, ValueError, "sets: no rows"),
        (([[0, 1]], [2]), {}, ValueError, "labels: row 0 is 2, but sets have 2 classes"),
        (([[0, 1]], ["c"]), {"classes": ["a", "b"]}, ValueError, "is 'c', which is none of the 2 classes"),
        (([[0, 1]], ["a"]), {"classes": ["a", "b", "c"]}, ValueError, "classes: 3 of them, expected 2"),
        (([[0, 1]], [0]), {"unknown_label": 1}, ValueError, "unknown_label: received 1, which is one of"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ll.evaluate_sets(*arguments, **options)
