import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, open_table


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


def test_columns_that_are_not_used_may_differ(tmp_path):
    pl.DataFrame({"x": [1, 2], "other": ["a", "b"], "label": ["p", "q"]}).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"label": ["p"], "more": [1], "other": [2], "x": [1.5]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"label": ["q"], "x": [True]}).write_parquet(tmp_path / "2.parquet")
    table = open_table([str(tmp_path / f"{number}.parquet") for number in range(3)])
    columns = choose_features(table, label="label")
    assert columns.names == ("x",)
    assert table.collect(["x", "label"]).rows() == [(1.0, "p"), (2.0, "q"), (1.5, "p"), (1.0, "q")]
    with pytest.raises(InputError, match=r"2\.parquet: no column 'other'"):
        table.collect(["other"])


def test_text_against_numbers_names_both_files(tmp_path):
    for number, values in enumerate(([1, 2], ["a", "b"], [[1.0], [2.0]], [["a"], ["b"]], [None, None])):
        pl.DataFrame({"x": values}).write_parquet(tmp_path / f"{number}.parquet")
    paths = [str(tmp_path / f"{number}.parquet") for number in range(5)]
    for first, second, ours, theirs in [
        (0, 1, "numbers", "text"),
        (1, 0, "text", "numbers"),
        (0, 2, "numbers", "lists of numbers"),
        (3, 2, "lists of text", "lists of numbers"),
    ]:
        with pytest.raises(InputError) as caught:
            open_table([paths[first], paths[second]]).collect(["x"])
        assert str(caught.value) == (
            f"{paths[second]}: column x holds {theirs}, but that of {paths[first]} holds {ours}, expected the same in "
            "all files; correct one, or read the files apart."
        )
    assert open_table([paths[0], paths[4]]).collect(["x"])["x"].to_list() == [1, 2, None, None]


def test_names_of_digits_in_csv_keep_their_zeros(tmp_path):
    (tmp_path / "data.csv").write_text("x,code,plain,word\n007,007,7,a\n008,123,8,b\n")
    table = open_table([str(tmp_path / "data.csv")])
    written = table.as_written(["code", "plain", "word"])
    assert written.collect(["x", "code", "plain", "word"]).rows() == [(7, "007", 7, "a"), (8, "123", 8, "b")]
    assert written.filtered("code = '007'").collect(["plain"])["plain"].to_list() == [7]
    assert table.filtered("code = 7").collect(["code"])["code"].to_list() == [7]
    assert written.as_written(["x"]).collect(["x", "code"]).rows() == [("007", "007"), ("008", "123")]


def test_names_of_many_digits_in_csv(tmp_path):
    names = ["12345678901234567890123", "12345678901234567890124"]
    (tmp_path / "data.csv").write_text("\n".join(["y", *names, ""]))
    assert open_table([str(tmp_path / "data.csv")]).as_written(["y"]).collect(["y"])["y"].to_list() == names


def test_a_column_is_text_in_all_files_or_in_none(tmp_path):
    for number, values in enumerate((["1", "2"], ["3", "004"], ["a", "b"])):
        (tmp_path / f"{number}.csv").write_text("\n".join(["y", *values, ""]))
    paths = [str(tmp_path / f"{number}.csv") for number in range(3)]
    assert open_table(paths[:2]).as_written(["y"]).collect(["y"])["y"].to_list() == ["1", "2", "3", "004"]
    assert open_table(paths[::2]).as_written(["y"]).collect(["y"])["y"].to_list() == ["1", "2", "a", "b"]
    assert open_table(paths[:1]).as_written(["y"]).collect(["y"])["y"].to_list() == [1, 2]


def test_a_name_that_reads_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:" / "127.0.0.1").mkdir(parents=True)
    (tmp_path / "http:" / "127.0.0.1" / "data.csv").write_text("a\n1\n")
    assert open_table(["http://127.0.0.1/data.csv"]).collect(["a"])["a"].to_list() == [1]
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1/none\.csv: no such file"):
        open_table(["http://127.0.0.1/none.csv"])
