import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import lastlayer as ll
from lastlayer.metrics.average_precision import bits_for
from lastlayer.metrics.odds_cells import num_cells
from tests.oracles import selective


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_its_definition_and_scikit_learns_where_cells_hold_ties_alone(weighted):
    rng = np.random.default_rng(0)
    p, truth = rng.integers(0, 65, (80, 5)) / 64, rng.random((80, 5)) < [0.05, 0.2, 0.5, 0.9, 0]
    weight = rng.integers(0, 3, 80).astype(float) if weighted else None
    result = ll.evaluate_labels(p, truth, sample_weight=weight)
    ones = np.ones(80) if weight is None else weight
    expected = [selective.average_precision(p[:, k].tolist(), truth[:, k], ones.tolist()) for k in range(5)]
    np.testing.assert_allclose(result.per_label.average_precision, expected, rtol=1e-12)
    assert np.isnan(expected[4])
    assert result.macro_average_precision == pytest.approx(np.mean(expected[:4]))
    micro = average_precision_score(truth.ravel(), p.ravel(), sample_weight=np.repeat(ones, 5))
    assert result.micro_average_precision == pytest.approx(micro)
    first = average_precision_score(truth[:, 1], p[:, 1], sample_weight=ones)
    assert result.per_label.average_precision[1] == pytest.approx(first)


@pytest.mark.parametrize(("num_labels", "error"), [(20, 1e-3), (2000, 0.03)])
def test_cells_move_it_little(num_labels, error):
    rng = np.random.default_rng(1)
    truth = rng.random((500, num_labels)) < 0.05
    p = 1 / (1 + np.exp(-(rng.standard_normal((500, num_labels)) + 2 * truth - 3)))
    found = ll.evaluate_labels(p, truth).per_label.average_precision
    some = range(0, num_labels, num_labels // 20)
    expected = [average_precision_score(truth[:, k], p[:, k]) for k in some]
    np.testing.assert_allclose(found[list(some)], expected, atol=error)


def test_cells_of_all_labels_fit_into_memory():
    assert [bits_for(k) for k in (1, 38, 1000, 100_000)] == [10, 10, 5, 0]
    for k in (3, 50, 700, 20_000):
        assert k * num_cells(bits_for(k)) * 16 < 70e6


def test_literal_figures():
    # The textbook's ranking: relevant at ranks 1 and 3.
    result = ll.evaluate_labels([[0.9], [0.8], [0.7], [0.1]], [[1], [0], [1], [0]])
    assert result.micro_average_precision == pytest.approx((1 + 2 / 3) / 2)
    nothing = ll.evaluate_labels([[0.9], [0.8]], [[0], [0]])
    assert np.isnan([nothing.micro_average_precision, nothing.macro_average_precision]).all()
