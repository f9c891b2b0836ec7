import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.cli.hold_out import hold_out, hold_out_in_place


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.floats(0, 0.9))
def test_every_row_goes_one_way_and_every_class_stays(labels, share):
    y = np.array(labels)
    X = np.arange(len(y), dtype=float)[:, None]
    (X_fit, y_fit, weight_fit), held = hold_out(X, y, share, 10 * X[:, 0])
    X_held, y_held, weight_held = held or (X[:0], y[:0], X[:0, 0])
    np.testing.assert_array_equal(weight_fit, 10 * X_fit[:, 0])
    np.testing.assert_array_equal(weight_held, 10 * X_held[:, 0])
    assert sorted([*X_fit[:, 0], *X_held[:, 0]]) == list(range(len(y)))
    assert set(y_fit) == set(labels)
    np.testing.assert_array_equal(y[X_fit[:, 0].astype(int)], y_fit)
    np.testing.assert_array_equal(y[X_held[:, 0].astype(int)], y_held)
    available = len(y) - len(set(labels))
    assert len(y_held) == pytest.approx(min(share * len(y), available), abs=1)


def test_the_same_share_of_every_class():
    y = np.repeat(np.arange(3), [1000, 200, 50])
    _, held = hold_out(y[:, None], y, 0.1)
    assert held is not None
    np.testing.assert_allclose(np.bincount(held[1]), [100, 20, 5], atol=1)


def test_the_same_rows_on_every_call():
    y = np.arange(100) % 3
    for a, b in zip(hold_out(y[:, None], y, 0.2), hold_out(y[:, None], y, 0.2), strict=True):
        assert a is not None
        assert b is not None
        assert a[2] is b[2] is None
        np.testing.assert_array_equal(a[1], b[1])


def test_lists_of_labels_go_by_their_rarest_label():
    lists = [["common", "rare"]] * 10 + [["common"]] * 80 + [[]] * 10 + [["once", "common"]]
    y = np.empty(len(lists), object)
    y[:] = lists
    (_, y_fit, _), held = hold_out(np.arange(101.0)[:, None], y, 0.2)
    assert held is not None
    assert sum(row == ["once", "common"] for row in y_fit) == 1
    counts = [sum(row == kind for row in held[1]) for kind in (["common", "rare"], ["common"], [])]
    np.testing.assert_allclose(counts, [2, 16, 2], atol=1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.floats(0, 0.9), st.booleans())
def test_held_out_in_place_are_the_same_rows(labels, share, weighted):
    y = np.array(labels)
    X = np.arange(len(y), dtype=float)[:, None]
    weight = 10 * X[:, 0] if weighted else None
    expected = hold_out(X, y, share, weight)
    mine = X.copy()
    for values in (y, weight):
        if values is not None:
            values.flags.writeable = False  # as a file's own column can be
    found = hold_out_in_place(mine, y, share, weight)
    for one, other in zip(expected, found, strict=True):
        assert (one is None) == (other is None)
        if one is None or other is None:
            continue
        assert np.shares_memory(other[0], mine)
        order = np.argsort(other[0][:, 0])
        np.testing.assert_array_equal(other[0][order], one[0])
        np.testing.assert_array_equal(other[1][order], one[1])
        if weighted:
            np.testing.assert_array_equal(other[2][order], one[2])
        else:
            assert other[2] is None


def test_lists_of_labels_held_out_in_place():
    y = np.empty(6, object)
    y[:] = [["a"], ["b"], ["a", "b"], ["a"], [], ["b"]]
    X = np.arange(6.0)[:, None]
    (X_fit, y_fit, _), held = hold_out_in_place(X, y.copy(), 0.5)
    assert held is not None
    for rows, lists in ((X_fit, y_fit), held[:2]):
        assert [y[int(row)] for row in rows[:, 0]] == lists.tolist()
