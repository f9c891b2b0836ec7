"""Many labels a row, as a matrix of answers: from an indicator, dense or sparse, or from lists of labels."""

from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from lastlayer._arrays import as_names
from lastlayer._indicator import answers_of_codes
from lastlayer._sorted_classes import sorted_classes
from lastlayer.estimators.labelled_rows import plain
from lastlayer.metrics import ClassIndex, as_indicator


class LabelSets(NamedTuple):
    """Which labels each row has.

    classes: (K,) the labels; the two classes where `one_of_two`.
    answers: (N, K) CSC matrix of booleans whose stored entries are the labels that a row has; one column, of the second
      class, where `one_of_two`.
    one_of_two: whether every row has exactly one of two classes, given as (N,) labels.
    """

    classes: NDArray[Any]
    answers: Any
    one_of_two: bool


def label_sets(Y: Any, num_rows: int) -> LabelSets:
    """The labels of rows, from an (N, K) indicator, a list of N lists of labels, or (N,) labels of two classes.

    Raises: ValueError or TypeError, in one sentence, for another shape, an indicator of other numbers than 0 and 1, a
      null or a label twice in a row, or no label at all.
    """
    _require_order(Y)
    if _is_matrix(Y):
        answers = _of_indicator(Y, num_rows)
        return LabelSets(np.arange(answers.shape[1]), answers, one_of_two=False)
    if _is_lists(Y):
        rows, labels = _flat(Y, num_rows)
        if not labels:
            raise ValueError(f"Y: none of the {num_rows} rows has a label, expected at least one label to learn.")
        classes, codes = sorted_classes(_as_array(labels))
        return LabelSets(classes, _of_codes(rows, codes, num_rows, classes), one_of_two=False)
    labels = _column(Y, num_rows)
    classes, codes = sorted_classes(labels)
    if len(classes) == 1:
        raise ValueError(
            f"y: only one class, {plain(classes[0])!r}, in {num_rows} rows, expected two classes, an indicator (N, K) "
            "or lists of labels."
        )
    if len(classes) != 2:
        # The first sentence is scikit-learn's, which its checks look for.
        raise ValueError(
            f"Only binary classification is supported. The type of the target is multiclass: y holds {len(classes)} "
            f"classes in {num_rows} rows, expected two, an indicator (N, K) or lists of labels; SoftmaxClassifier "
            "is for one label of many."
        )
    return LabelSets(classes, _of_second(codes), one_of_two=True)


def answers_of(Y: Any, classes: NDArray[Any], num_rows: int, *, one_of_two: bool) -> Any:
    """The answers as in LabelSets, of labels that a fit has seen, from the same kinds of Y.

    Raises: as label_sets, and ValueError for a label that is none of the classes, or another number of columns.
    """
    _require_order(Y)
    if one_of_two:
        return _of_second(ClassIndex(classes).find(_column(Y, num_rows)))
    if _is_matrix(Y):
        answers = _of_indicator(Y, num_rows)
        if answers.shape[1] != len(classes):
            raise ValueError(
                f"Y: has {answers.shape[1]} columns, expected {len(classes)}, one for each label of the fit."
            )
        return answers
    if not _is_lists(Y):
        raise ValueError("Y: is one label a row, expected an indicator (N, K) or lists of labels, as in the fit.")
    rows, labels = _flat(Y, num_rows)
    if not labels:
        return sp.csc_array((num_rows, len(classes)), dtype=bool)
    index, names = ClassIndex(classes), _as_array(labels)
    known = index.knows(names)
    if not known.all():
        place = int(known.argmin())
        raise ValueError(
            f"Y: row {rows[place]} has {plain(names[place])!r}, expected labels among the {len(classes)} of the fit; "
            f"leave it out ({int((~known).sum())} such labels)."
        )
    return _of_codes(rows, index.find(names), num_rows, classes)


def rarest_of(answers: Any) -> NDArray[np.int64]:
    """For each row of (N, K) answers, one more than its label that fewest rows have; 0 where it has none, (N,)."""
    counts = np.diff(answers.indptr)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    rarest = np.full(answers.shape[0], -1)
    np.maximum.at(rarest, answers.indices, np.repeat(rank, counts))
    return rarest + 1


def _require_order(Y):
    """Refuse what gives its rows once or by key: a look at the first would lose it, or take keys for labels."""
    if isinstance(Y, str | bytes | Mapping | Set | Iterator):
        raise TypeError(
            f"Y: received a {type(Y).__name__}, expected rows in order: an indicator (N, K), lists of labels or (N,) "
            "labels of two classes; pass a list or an array."
        )


def _is_matrix(Y):
    """An array of one column is a column of labels, as in scikit-learn."""
    if sp.issparse(Y) or (hasattr(Y, "shape") and len(Y.shape) == 2):
        return Y.shape[1] != 1 or sp.issparse(Y)
    # Lists of numbers that could be no lists of labels, which would stand twice in a row.
    return (
        isinstance(Y, list | tuple)
        and len(Y) > 0
        and hasattr(Y[0], "__len__")
        and all(_is_zeros_and_ones(row, len(Y[0])) for row in Y)
    )


def _is_zeros_and_ones(row, length):
    if not isinstance(row, list | tuple | np.ndarray) or len(row) != length or length < 2:
        return False
    return all(isinstance(value, int | np.integer) and value in (0, 1) for value in row)


def _is_lists(Y):
    if hasattr(Y, "dtype") and getattr(Y.dtype, "kind", "O") in "biufcU":
        return False
    if not isinstance(Y, Iterable) or isinstance(Y, str | bytes):
        return False
    return any(isinstance(row, Iterable) and not isinstance(row, str | bytes) for row in Y)


def _of_indicator(Y, num_rows):
    answers = as_indicator(Y, "Y")
    if answers.shape[0] != num_rows:
        raise ValueError(f"Y: shape is {answers.shape}, expected ({num_rows}, K), a row for each row of X.")
    return answers


def _flat(Y, num_rows):
    """The row of each label, (L,) int64, and the labels, a list."""
    lists = list(Y)
    if len(lists) != num_rows:
        raise ValueError(f"Y: has {len(lists)} rows, expected {num_rows}, one for each row of X.")
    for row, labels in enumerate(lists):
        if labels is None:
            raise ValueError(f"Y: row {row} is null, expected a list of labels; an empty list is a row without any.")
        if isinstance(labels, str | bytes | Mapping) or not isinstance(labels, Iterable):
            raise TypeError(f"Y: row {row} is {labels!r}, expected a list of labels like the others.")
    lists = [list(labels) for labels in lists]
    lengths = np.fromiter(map(len, lists), np.int64, num_rows)
    flat = [plain(label) for label in chain.from_iterable(lists)]
    rows = np.repeat(np.arange(num_rows), lengths)
    for place, label in enumerate(flat):
        if label is None or label != label:
            raise ValueError(f"Y: row {rows[place]} has the label {label}, expected names or numbers; leave it out.")
    return rows, flat


def _as_array(labels):
    if all(isinstance(label, str) for label in labels):
        return as_names(labels)
    if any(isinstance(label, str) for label in labels):
        kinds = sorted({type(label).__name__ for label in labels})
        raise TypeError(f"Y: labels are of the types {' and '.join(kinds)}, expected one type; convert them to str.")
    array = np.array(labels)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError(
            f"Y: holds the label {labels[0]!r}, expected names or numbers of 64 bits; convert labels to str."
        )
    if array.dtype.kind == "f":
        for label, number in zip(labels, array.tolist(), strict=True):
            if label != number:
                raise ValueError(f"Y: holds the label {label}, which float64 cannot tell apart; convert labels to str.")
    return array


def _of_codes(rows, codes, num_rows, classes):
    """The answers of labels by their index, each in its row."""
    answers = answers_of_codes(rows, codes, (num_rows, len(classes)))
    # Sorted by label and then by row, so that the same twice are neighbours.
    labels = np.repeat(np.arange(len(classes)), np.diff(answers.indptr))
    twice = (answers.indices[1:] == answers.indices[:-1]) & (labels[1:] == labels[:-1])
    if twice.any():
        place = int(twice.argmax())
        raise ValueError(
            f"Y: row {answers.indices[place]} has {plain(classes[labels[place]])!r} twice, expected each label once; "
            "drop one."
        )
    return answers


def _of_second(codes):
    rows = np.flatnonzero(codes)
    return sp.csc_array((np.ones(len(rows), bool), rows, np.array([0, len(rows)])), shape=(len(codes), 1))


def _column(Y, num_rows):
    labels = column_or_1d(Y, warn=True)
    if labels.dtype.kind == "O" and any(label is None for label in labels):
        row = next(row for row, label in enumerate(labels) if label is None)
        raise ValueError(f"y: row {row} is null, expected a label; leave such rows out.")
    if labels.dtype.kind not in "biuU":
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    if len(labels) != num_rows:
        raise ValueError(f"y: has {len(labels)} rows, expected {num_rows}, one for each row of X.")
    return labels
