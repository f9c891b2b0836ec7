import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from lastlayer.estimators.label_sets import answers_of, label_sets, rarest_of

LISTS = [["cow", "ant"], [], ["bee"], ["ant"]]
INDICATOR = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows,
        lambda rows: [tuple(row) for row in rows],
        lambda rows: [set(row) for row in rows],
        lambda rows: [np.array(row, dtype=object) for row in rows],
        lambda rows: pd.Series(rows),
        lambda rows: pl.Series(rows),
        lambda rows: np.array([*rows, None], dtype=object)[:-1],
    ],
)
def test_lists_of_labels(form):
    sets = label_sets(form(LISTS), 4)
    assert sets.classes.tolist() == ["ant", "bee", "cow"]
    np.testing.assert_array_equal(sets.answers.toarray(), INDICATOR)
    assert not sets.one_of_two
    np.testing.assert_array_equal(answers_of(form(LISTS), sets.classes, 4, one_of_two=False).toarray(), INDICATOR)


@pytest.mark.parametrize(
    "form",
    [np.array, sp.csr_array, sp.csc_matrix, pd.DataFrame, lambda y: y.tolist(), lambda y: y > 0, list, np.float32],
)
def test_indicators(form):
    sets = label_sets(form(INDICATOR), 4)
    assert sets.classes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(sets.answers.toarray(), INDICATOR)
    assert sets.answers.has_sorted_indices
    np.testing.assert_array_equal(answers_of(form(INDICATOR), sets.classes, 4, one_of_two=False).toarray(), INDICATOR)


def test_stored_zeros_and_entries_that_stand_twice():
    stored = sp.coo_array(([1, 0, 1], ([0, 1, 0], [0, 0, 0])), shape=(4, 3))
    with pytest.raises(ValueError, match="row 0 has 2 in column 0, expected an indicator of 0 and 1"):
        label_sets(stored, 4)
    assert label_sets(sp.csr_array(([1, 0], ([0, 1], [0, 0])), shape=(4, 3)), 4).answers.nnz == 1


def test_numbers_as_labels_and_lists_of_one():
    sets = label_sets([[30], [4, 30], [4]], 3)
    assert sets.classes.tolist() == [4, 30]
    assert label_sets([[0], [1], [1]], 3).classes.tolist() == [0, 1]
    assert not label_sets([[0], [1], [1]], 3).one_of_two


@pytest.mark.parametrize("y", [np.array(["no", "yes", "no"]), ["no", "yes", "no"], pd.Series(["no", "yes", "no"])])
def test_one_of_two_labels_a_row(y):
    sets = label_sets(y, 3)
    assert (sets.classes.tolist(), sets.one_of_two) == (["no", "yes"], True)
    assert sets.answers.toarray().ravel().tolist() == [False, True, False]
    assert answers_of(y, sets.classes, 3, one_of_two=True).toarray().ravel().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("Y", "error", "message"),
    [
        ([["a"], None, ["b"]], ValueError, "Y: row 1 is null, expected a list of labels; an empty list is a row"),
        ([["a"], "b", ["c"]], TypeError, "Y: row 1 is 'b', expected a list of labels like the others"),
        ([["a"], ["b", "b"], []], ValueError, "Y: row 1 has 'b' twice, expected each label once"),
        ([["a"], ["b", None], []], ValueError, "Y: row 1 has the label None, expected names or numbers"),
        ([["a"], [float("nan")], []], ValueError, "Y: row 1 has the label nan"),
        ([["a"], [1], []], TypeError, "Y: labels are of the types int and str, expected one type"),
        ([[], [], []], ValueError, "Y: none of the 3 rows has a label"),
        ([["a"], ["b"]], ValueError, "Y: has 2 rows, expected 3"),
        ([[2**63], [2**63 + 1], [-1]], ValueError, "Y: holds the label 92233720368547758.*, which float64 cannot tell"),
        (
            [[2**70], [], []],
            TypeError,
            "Y: holds the label 1180591620717411303424, expected names or numbers of 64 bits",
        ),
        ([[b"a"], [], []], TypeError, "Y: holds the label b'a', expected names or numbers"),
        (["a", ["b"], []], TypeError, "Y: row 0 is 'a', expected a list of labels like the others"),
        ([{"a": 0}, ["b"], []], TypeError, "Y: row 0 is {'a': 0}, expected a list of labels like the others"),
        ({0: ["a"], 1: [], 2: ["b"]}, TypeError, "Y: received a dict, expected rows in order"),
        ((row for row in (["a"], [], ["b"], ["c"])), TypeError, "Y: received a generator, expected rows in order"),
        ({"a", "b", "c"}, TypeError, "Y: received a set"),
        ("abc", TypeError, "Y: received a str"),
        (["a", None, "b"], ValueError, "y: row 1 is null, expected a label"),
        (np.ones((2, 4)), ValueError, r"Y: shape is \(2, 4\), expected \(3, K\)"),
        (np.full((3, 2), 0.5), ValueError, "Y: row 0 has 0.5 in column 0, expected an indicator of 0 and 1"),
        (np.full((3, 2), np.nan), ValueError, "Y: row 0 has nan in column 0"),
        (
            np.array([["a", "b"]] * 3),
            TypeError,
            "Y: dtype is <U1, expected an indicator of 0 and 1; pass names as lists",
        ),
        (np.array([0, 1, 2]), ValueError, "y holds 3 classes in 3 rows, expected two"),
        (np.array([1, 1, 1]), ValueError, "y: only one class, 1, in 3 rows"),
        (np.array([0, 1]), ValueError, "y: has 2 rows, expected 3"),
    ],
)
def test_what_does_not_fit(Y, error, message):
    with pytest.raises(error, match=message):
        label_sets(Y, 3)


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        ([["a"], ["zebra"]], "Y: row 1 has 'zebra', expected labels among the 2 of the fit; leave it out"),
        (np.ones((2, 3), int), "Y: has 3 columns, expected 2, one for each label of the fit"),
        (np.array(["a", "b"]), "Y: is one label a row, expected an indicator"),
    ],
)
def test_labels_that_the_fit_has_not_seen(Y, message):
    with pytest.raises(ValueError, match=message):
        answers_of(Y, np.array(["a", "b"]), 2, one_of_two=False)
    assert answers_of([[], []], np.array(["a", "b"]), 2, one_of_two=False).shape == (2, 2)


def test_the_rarest_label_of_each_row():
    answers = sp.csc_array(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool))
    assert rarest_of(answers).tolist() == [2, 1, 0, 3]
