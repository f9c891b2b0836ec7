import numpy as np
import polars as pl
import pytest

from lastlayer.tables import FeatureColumns, open_table
from lastlayer.tables import spool_choice as module
from lastlayer.tables.spool_choice import Storage, choose_spool, left_to_the_solver

TAKEN = 1e6


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    monkeypatch.setattr(module, "taken_memory", lambda: TAKEN)


@pytest.fixture
def table(tmp_path):
    pl.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0), "y": [0] * 100}).write_parquet(tmp_path / "t.parquet")
    return open_table([tmp_path / "t.parquet"])


COLUMNS = FeatureColumns(("a", "b"))
# The frame and the matrix, 16 bytes each, and the labels and their like.
OF_A_ROW = 2 * 16 + 120


def test_rows_are_spooled_where_every_copy_of_them_does_not_fit(table):
    enough = TAKEN + 100 * OF_A_ROW
    assert choose_spool(table, COLUMNS, Storage(enough), splits=True) is None
    storage = Storage(enough - 1, "float16", "folder")
    choice = choose_spool(table, COLUMNS, storage, splits=True)
    assert choice is not None
    assert (choice.num_rows, choice.width, choice.needed) == (100, 2, 100 * OF_A_ROW)
    assert (choice.dtype, choice.storage.folder) == (np.float16, "folder")
    assert choice.in_words(400) == (
        "spooling 400 bytes of features as float16: in memory they would take up to 15.2 kB, more than --memory allows"
    )


def test_a_condition_counts(table):
    half = Storage(TAKEN + 50 * OF_A_ROW)
    assert choose_spool(table.filtered("a < 50"), COLUMNS, half, splits=False) is None
    choice = choose_spool(table.filtered("a < 60"), COLUMNS, half, splits=False)
    assert choice is not None
    assert choice.num_rows == 60


def test_one_of_several_files_may_be_without_rows(tmp_path, table):
    pl.DataFrame({"a": [], "b": [], "y": []}).write_parquet(tmp_path / "s.parquet")
    both = open_table([tmp_path / "s.parquet", tmp_path / "t.parquet"])
    assert choose_spool(both, COLUMNS, Storage(1e12), splits=False) is None
    choice = choose_spool(both, COLUMNS, Storage(0), splits=False)
    assert choice is not None
    assert choice.num_rows == 100
    assert choose_spool(open_table([tmp_path / "s.parquet"] * 2), COLUMNS, Storage(0), splits=False) is None


def test_what_is_left_to_the_solver():
    assert left_to_the_solver(5e6, 10_000) == 5e6 - TAKEN - 64 * 10_000
    assert left_to_the_solver(1e6, 10_000) == 0
