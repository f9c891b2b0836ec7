"""sorted_classes is numpy.unique with its inverse, for names too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer._sorted_classes import sorted_classes


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_names_as_numpy_orders_them(names):
    for labels in (np.array(names), np.array(names, dtype=object)):
        classes, indices = sorted_classes(labels)
        expected, inverse = np.unique(labels, return_inverse=True)
        np.testing.assert_array_equal(classes, expected)
        np.testing.assert_array_equal(indices, inverse)
        assert classes.dtype == labels.dtype


@pytest.mark.parametrize("labels", [[3, -1, 3], [True, False], [2.0, 1.0]])
def test_numbers(labels):
    classes, indices = sorted_classes(np.array(labels))
    assert classes.tolist() == sorted(set(labels))
    assert classes[indices].tolist() == labels


def test_labels_without_a_common_order():
    with pytest.raises(TypeError, match="y: labels are of the types int and str, expected one type"):
        sorted_classes(np.array(["a", 1], dtype=object))


def test_a_null_among_names():
    with pytest.raises(ValueError, match="y: row 1 is null, expected a label; leave such rows out"):
        sorted_classes(np.array(["a", None, "b"], dtype=object))
