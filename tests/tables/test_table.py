import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, open_table


@pytest.fixture
def paths(tmp_path):
    for number in range(2):
        ids = np.arange(100 * number, 100 * (number + 1))
        pl.DataFrame({"id": ids, "split": np.where(ids % 2, "odd", "even").tolist()}).write_parquet(
            tmp_path / f"{number}.parquet", row_group_size=30
        )
    return [str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")]


def test_where(paths):
    table = open_table(paths, where="split = 'odd' and id > 96")
    assert table.collect(["id"])["id"].to_list() == [97, 99, *range(101, 200, 2)]
    assert table.count() == 52
    assert table.count("id < 100") == 2


def test_batches_are_the_rows_in_order(paths):
    table = open_table(paths, where="split = 'odd'")
    batches = [batch["id"].to_list() for batch in table.batches(["id"], 7)]
    assert max(map(len, batches)) <= 7
    assert [number for batch in batches for number in batch] == list(range(1, 200, 2))


def test_place_counts_in_the_file_before_the_condition(paths):
    table = open_table(paths, where="split = 'odd'")
    assert table.place(1) == f"{paths[0]}: row 3 (the first is 0)"
    assert table.place(50) == f"{paths[1]}: row 1 (the first is 0)"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("split = 'odd", "Unterminated string"),
        ("split ==== 'odd'", "unable to parse"),
        ("", "expected an SQL condition"),
        ("id + 1", "expected an SQL condition"),
        ("splitt = 'odd'", "no column 'splitt', expected one of id, split; did you mean 'split'?"),
        ("split > 1", "expected an SQL condition"),
        ("id = 1; drop table x", "expected an SQL condition"),
    ],
)
def test_bad_condition(paths, where, message):
    with pytest.raises(InputError) as caught:
        open_table(paths, where=where)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_row_left(paths):
    for take in (lambda table: table.collect(["id"]), lambda table: list(table.batches(["id"], 10))):
        with pytest.raises(InputError, match="no row satisfies 'id < 0'"):
            take(open_table(paths, where="id < 0"))


def test_no_rows_at_all(tmp_path):
    (tmp_path / "head.csv").write_text("a,b\n")
    with pytest.raises(InputError, match="no rows"):
        open_table([str(tmp_path / "head.csv")]).collect(["a"])


def test_missing_column_and_the_nearest_name(paths):
    with pytest.raises(InputError, match=r"no column 'splitt', expected one of id, split; did you mean 'split'\?"):
        open_table(paths).collect(["splitt"])
    with pytest.raises(InputError, match=r"did you mean 'split'\?"):
        open_table(paths).collect(["SPLIT"])


def test_files_of_other_columns(paths, tmp_path):
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"2\.parquet: no column 'split'"):
        open_table([*paths, str(tmp_path / "2.parquet")]).collect(["split"])


def test_files_of_other_widths(tmp_path):
    for width in (2, 3):
        pl.DataFrame({"e": np.zeros((4, width))}).write_parquet(tmp_path / f"{width}.parquet")
    with pytest.raises(InputError, match=r"column e holds lists of 3, but those of .* hold 2"):
        open_table([str(tmp_path / "2.parquet"), str(tmp_path / "3.parquet")]).collect(["e"])
