import numpy as np
import polars as pl
import pytest

from lastlayer.cli.unknown_label import has_label, unknown_value
from lastlayer.tables import InputError


def test_what_stands_for_it():
    names, numbers = np.array(["a", "b"]), np.array([3, 7])
    assert unknown_value(None, names) is None
    assert unknown_value("c", names) == "c"
    assert unknown_value("c", numbers) == 2
    assert unknown_value("c", np.array([False, True])) == -1
    for label, classes in (("a", names), ("7", numbers)):
        with pytest.raises(InputError, match=f"--unknown-label {label}: is one of the 2 classes"):
            unknown_value(label, classes)


def test_which_entries_have_it():
    assert has_label(pl.Series(["a", None, "b"]), "a").to_list() == [True, False, False]
    assert has_label(pl.Series([3, -1, None]), "-1").to_list() == [False, True, False]
    assert has_label(pl.Series(["a", "b"]), None).to_list() == [False, False]
    assert has_label(pl.Series([["a"]]), "a").to_list() == [False]
    assert has_label(pl.Series(["a", "b"], dtype=pl.Categorical), "b").to_list() == [False, True]
