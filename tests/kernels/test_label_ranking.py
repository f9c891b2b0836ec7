import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

import lastlayer as ll
from lastlayer.kernels.label_ranking import rank_labels
from tests.oracles import selective


def ranked(scores, truth):
    found = np.empty((3, len(scores)))
    num_labels = scores.shape[1]
    rank_labels(scores, truth, np.empty(num_labels), np.empty((2, num_labels + 1), np.int64), *found)
    return found


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 10**6))
def test_each_row_is_its_definition_with_ties(num_labels, levels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (6, num_labels)) / levels
    truth = rng.random((6, num_labels)) < rng.random((6, 1))
    expected = [selective.ranking_figures(*row) for row in zip(scores.tolist(), truth.tolist(), strict=True)]
    np.testing.assert_allclose(ranked(scores, truth).T, expected, rtol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_means_are_scikit_learns(weighted):
    rng = np.random.default_rng(1)
    scores, truth = rng.random((200, 60)), rng.random((200, 60)) < rng.random((200, 1))
    truth[:5], truth[5:8] = False, True
    weight = rng.integers(0, 3, 200).astype(float) if weighted else None
    result, options = ll.evaluate_labels(scores, truth, sample_weight=weight), {"sample_weight": weight}
    assert result.ranking_loss == pytest.approx(metrics.label_ranking_loss(truth, scores, **options))
    assert result.coverage_error == pytest.approx(metrics.coverage_error(truth, scores, **options))
    expected = metrics.label_ranking_average_precision_score(truth, scores, **options)
    assert result.label_ranking_average_precision == pytest.approx(expected)


def test_literal_figures():
    # scikit-learn's own example of its three functions.
    scores, truth = np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]]), np.array([[1, 0, 0], [0, 0, 1]], bool)
    result = ll.evaluate_labels(scores, truth)
    assert (result.ranking_loss, result.coverage_error) == (0.75, 2.5)
    assert result.label_ranking_average_precision == pytest.approx(0.416, abs=1e-3)
