import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.metrics import DetailedAccumulator


def rows(seed, n, classes):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n)
    return p, rng.integers(0, classes, n), rng.integers(0, 3, n).astype(float)


@settings(max_examples=12)
@given(st.integers(0, 1000), st.integers(1, 80), st.integers(2, 5), st.integers(1, 30))
def test_blocks_give_the_counts_of_a_loop_over_rows(seed, n, classes, block):
    p, labels, weight = rows(seed, n, classes)
    weight[0] = 1
    accumulator = DetailedAccumulator(np.arange(classes))
    for start in range(0, n, block):
        part = slice(start, start + block)
        accumulator.add(p[part], labels[part], weight[part], describe=lambda row, start=start: {"at": start + row})
    evaluation, detail = accumulator.result()
    whole = ll.evaluate(p, labels, classes=np.arange(classes), sample_weight=weight)
    assert (evaluation.rows, evaluation.accuracy) == (whole.rows, pytest.approx(whole.accuracy))
    pairs, cells, mistakes = {}, np.zeros((2, 1000)), []
    for i in range(n):
        if not weight[i]:
            continue
        chosen, confidence = int(p[i].argmax()), p[i].max()
        cell = sum(confidence >= m / 1000 for m in range(1, 1000))
        cells[int(chosen != labels[i]), cell] += weight[i]
        if chosen != labels[i]:
            pairs[int(labels[i]), chosen] = pairs.get((int(labels[i]), chosen), 0) + weight[i]
            mistakes.append((-confidence, i))
    np.testing.assert_array_equal(detail.cells.right, cells[0])
    np.testing.assert_array_equal(detail.cells.wrong, cells[1])
    found = detail.confusions
    assert dict(zip(zip(found.label.tolist(), found.predicted.tolist(), strict=True), found.rows, strict=True)) == pairs
    assert found.rows.tolist() == sorted(found.rows.tolist(), reverse=True)
    assert [mistake.row for mistake in detail.mistakes] == [i for _, i in sorted(mistakes)][:50]
    assert all(mistake.kept == {"at": mistake.row} for mistake in detail.mistakes)
    assert all(mistake.of_label == p[mistake.row, mistake.label] for mistake in detail.mistakes)


def test_literal_counts():
    accumulator = DetailedAccumulator(["cat", "dog"])
    accumulator.add([[0.9, 0.1], [0.4, 0.6], [0.25, 0.75]], ["cat", "cat", "dog"])
    _, detail = accumulator.result()
    assert np.flatnonzero(detail.cells.right).tolist() == [750, 900]
    assert np.flatnonzero(detail.cells.wrong).tolist() == [600]
    assert (detail.confusions.label.tolist(), detail.confusions.predicted.tolist()) == ([0], [1])
    (mistake,) = detail.mistakes
    assert (mistake.row, mistake.predicted, mistake.label, mistake.of_label) == (1, 1, 0, 0.4)


def test_pairs_are_sorted_in_now_and_then(monkeypatch):
    monkeypatch.setattr("lastlayer.metrics.confusions._PENDING", 3)
    p, labels, _ = rows(0, 60, 4)
    parts = DetailedAccumulator(np.arange(4)), DetailedAccumulator(np.arange(4))
    parts[0].add(p, labels)
    for i in range(60):
        parts[1].add(p[i : i + 1], labels[i : i + 1])
    one, many = (part.result()[1].confusions for part in parts)
    np.testing.assert_array_equal(one.label, many.label)
    np.testing.assert_array_equal(one.rows, many.rows)


def test_what_raises_has_added_nothing():
    accumulator = DetailedAccumulator(np.arange(2))
    with pytest.raises(ValueError, match="row 1 sums to"):
        accumulator.add([[0.5, 0.5], [0.5, 0.9]], [0, 1])
    with pytest.raises(ValueError, match="no rows"):
        accumulator.result()
    accumulator.add([[0.4, 0.6]], [0])
    assert accumulator.result()[1].mistakes[0].row == 0
