import numpy as np
import pytest

from lastlayer.kernels.odds_cells import add_by_odds, add_columns_by_odds
from lastlayer.metrics.odds_cells import area_under_roc, lowest_of, num_cells
from tests.oracles import selective


def cell_of(p, bits):
    cells = np.zeros((len(p), num_cells(bits)))
    add_by_odds(p, np.arange(len(p)), np.ones(len(p)), bits, cells)
    assert (cells.sum(axis=1) == 1).all()
    return cells.argmax(axis=1)


@pytest.mark.parametrize("bits", [0, 2, 5])
def test_a_cell_holds_what_is_at_least_its_lowest(bits):
    rng = np.random.default_rng(0)
    lowest = lowest_of(np.arange(num_cells(bits)), bits)
    assert (np.diff(lowest) >= 0).all()
    edges = lowest[:: max(1, len(lowest) // 300)]
    below = np.nextafter(edges[edges > 0], 0)
    p = np.concatenate([edges, below, rng.random(300), rng.random(300) ** 40, 1 - rng.random(300) ** 40])
    p = np.concatenate([p, [0.0, 0.5, np.nextafter(0.5, 0), 1.0, 1.001, 2.0**-53, 1 - 2.0**-53, 1e-300]])
    cells = cell_of(p, bits)
    assert (p >= lowest[cells]).all()
    # A cell above it begins above it, unless nothing can lie between the two.
    above = np.array([lowest[cell + 1 :][lowest[cell + 1 :] > lowest[cell]][:1].sum() or np.inf for cell in cells])
    assert (p < above).all()
    assert (np.diff(cells[np.argsort(p, kind="stable")]) >= 0).all()
    inside = (p > 2.0**-53) & (p < 1 - 2.0**-50)
    for cell in np.unique(cells[inside]):
        members = p[inside][cells[inside] == cell]
        least = np.where(members < 0.5, members, 1 - members)
        assert least.max() <= least.min() * (1 + 2.0**-bits)


def test_columns_are_counted_as_each_alone():
    rng = np.random.default_rng(1)
    p, truth, weight = rng.random((50, 3)) ** 5, rng.random((50, 3)) < 0.4, rng.random(50)
    found, expected = np.zeros((2, 3, 2, num_cells(3)))
    for first, last in ((0, 1), (1, 3)):
        add_columns_by_odds(p, truth, weight, first, last, 3, found)
    for k in range(3):
        add_by_odds(p[:, k].copy(), truth[:, k].astype(np.int64), weight, 3, expected[k])
    np.testing.assert_array_equal(found, expected)


def test_area_under_roc_is_its_definition():
    rng = np.random.default_rng(2)
    for _ in range(20):
        below, above = rng.integers(0, 4, (2, 6)).astype(float)
        pairs = [[(cell, int(w)) for cell, w in enumerate(weights)] for weights in (below, above)]
        assert area_under_roc(below, above) == pytest.approx(selective.area_under_roc(*pairs), nan_ok=True)
    assert area_under_roc(np.array([2.0, 0]), np.array([0.0, 5])) == 1.0
    assert np.isnan(area_under_roc(np.zeros(3), np.ones(3)))
