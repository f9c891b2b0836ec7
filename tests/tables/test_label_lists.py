import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, label_lists
from lastlayer.tables.label_lists import answers_of_lists


def place(row):
    return f"file: row {row}"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([["a", "b"], [], ["c"]], pl.List(pl.String)),
        ([["a", "b"], [], ["c"]], pl.List(pl.Categorical)),
        ([[1, 2], [], [3]], pl.List(pl.Int16)),
        ([[], [], []], pl.List(pl.Null)),
        ([["a", "b"], ["c", "d"]], pl.Array(pl.String, 2)),
    ],
)
def test_lists_as_they_are(values, dtype):
    assert label_lists(pl.Series("kinds", values, dtype), place).tolist() == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"], "column kinds: labels are String, expected lists of labels, as parquet and jsonl hold them"),
        ([[0.5], []], "column kinds: holds lists of Float64, expected lists of text, whole numbers or booleans"),
        ([["a"], None], "file: row 1: column kinds is null, expected a list of labels; an empty list is a row without"),
        ([["a"], ["b", None]], "file: row 1: column kinds has a label that is null; leave it out of the list"),
        ([[], ["b", "a", "b"]], "file: row 1: column kinds has a label twice, expected each once"),
    ],
)
def test_what_is_no_list_of_labels(values, message):
    with pytest.raises(InputError, match=message):
        label_lists(pl.Series("kinds", values), place)


def test_labels_that_int64_does_not_hold_are_refused():
    series = pl.Series("kinds", [[1], [2**63 + 3, 1]], pl.List(pl.UInt64))
    with pytest.raises(InputError, match="file: row 1: column kinds has a label of more than 64 bits, expected int64"):
        label_lists(series, place)
    assert label_lists(series.head(1), place).tolist() == [[1]]


def test_lists_of_two_kinds_of_files_are_one_column():
    arrays = pl.Series("kinds", [["a", "b"]] * 874, pl.Array(pl.String, 2)).cast(pl.List(pl.String))
    series = pl.concat([arrays, pl.Series("kinds", [["a"], ["b", "c"], []] * 200)], rechunk=False)
    assert series.n_chunks() > 1
    assert label_lists(series, place).tolist() == [["a", "b"]] * 874 + [["a"], ["b", "c"], []] * 200


@pytest.mark.parametrize("lists", [[["b", "a"], [], ["a"], ["c", "b"]], [[2, 1], [], [1]], [[True], [False, True]]])
def test_answers_say_which_row_has_which_label(lists):
    rows = np.empty(len(lists), object)
    rows[:] = lists
    classes, answers = answers_of_lists(rows)
    assert classes.tolist() == sorted({label for row in lists for label in row})
    assert answers.has_sorted_indices
    assert answers.toarray().tolist() == [[label in row for label in classes.tolist()] for row in lists]
