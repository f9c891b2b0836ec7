from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer import EvaluationAccumulator, evaluate


def random_case(seed, rows, num_classes):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num_classes), size=rows), rng.integers(0, num_classes, rows)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 60), max_size=6), seed=st.integers(0, 1000))
def test_blocks_of_any_size_give_the_evaluation_of_the_whole(cuts, seed):
    probabilities, labels = random_case(seed, 60, 5)
    accumulator = EvaluationAccumulator(top_k=2)
    edges = [0, *sorted(cuts), 60]
    for start, stop in pairwise(edges):
        accumulator.add(probabilities[start:stop], labels[start:stop])
    by_blocks, whole = accumulator.result().to_dict(), evaluate(probabilities, labels, top_k=2).to_dict()
    for key in ("log_loss", "brier", "ece", "mean_confidence"):  # sums of floats, in another order
        assert by_blocks.pop(key) == pytest.approx(whole.pop(key), rel=1e-13)
    np.testing.assert_allclose(
        np.array(by_blocks.pop("reliability")["confidence"], float),
        np.array(whole.pop("reliability")["confidence"], float),
    )
    assert by_blocks == whole


def test_a_block_that_raises_has_added_nothing():
    probabilities, labels = random_case(0, 40, 3)
    accumulator = EvaluationAccumulator()
    accumulator.add(probabilities, labels)
    before = accumulator.result()
    broken = probabilities.copy()
    broken[30] *= 2
    with pytest.raises(ValueError, match="row 30"):
        accumulator.add(broken, labels)
    with pytest.raises(ValueError, match="2 columns, expected 3"):
        accumulator.add(probabilities[:, :2], labels)
    assert accumulator.result() == before


def test_a_result_does_not_change_as_rows_are_added():
    probabilities, labels = random_case(1, 20, 3)
    accumulator = EvaluationAccumulator()
    accumulator.add(probabilities, labels)
    first = accumulator.result()
    kept = first.to_json()
    accumulator.add(probabilities, labels)
    assert first.to_json() == kept
    assert accumulator.result().rows == 40
    with pytest.raises(ValueError, match="read-only"):
        first.per_class.support[0] = 1


def test_nothing_added():
    with pytest.raises(ValueError, match="no rows, expected at least one row"):
        EvaluationAccumulator().result()


def test_weighted_and_unweighted_blocks():
    probabilities, labels = random_case(2, 60, 4)
    weight = np.random.default_rng(2).integers(0, 3, 60).astype(float)
    weight[20:40], weight[40:] = 1, 0
    accumulator = EvaluationAccumulator()
    accumulator.add(probabilities[:20], labels[:20], weight[:20])
    accumulator.add(probabilities[20:40], labels[20:40])
    accumulator.add(probabilities[40:], labels[40:], weight[40:])  # a block of which nothing weighs
    whole = evaluate(probabilities, labels, sample_weight=weight)
    for key in ("rows", "accuracy", "log_loss", "brier", "ece", "mean_confidence", "macro_f1"):
        assert getattr(accumulator.result(), key) == pytest.approx(getattr(whole, key), rel=1e-13), key
    np.testing.assert_array_equal(accumulator.result().per_class.support, whole.per_class.support)


def test_nothing_that_weighs():
    accumulator = EvaluationAccumulator()
    accumulator.add([[0.5, 0.5]], [0], [0])
    with pytest.raises(ValueError, match="sample_weight: every weight is zero"):
        accumulator.result()
