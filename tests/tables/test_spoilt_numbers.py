import json

import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, open_table


def choose(path, **options):
    return choose_features(open_table([str(path)], **options), label="label")


def write_csv(path, values):
    rows = [f'"{value}",{row % 3},{"ab"[row % 2]}' for row, value in enumerate(values)]
    path.write_text("\n".join(["x,z,label", *rows, ""]))


def number(value):
    return float(value) if value.replace(".", "").isdigit() else value


@pytest.mark.parametrize(
    ("values", "row", "value"),
    [
        (["1", "2", "foo", "4", "5"], 2, "foo"),
        ([*map(str, range(5000)), "foo", *map(str, range(1000))], 5000, "foo"),
        (["1,234", "2,500", "17"], 0, "1,234"),
        (["1,234,567.5", "2,500", "1,000"], 0, "1,234,567.5"),
        (["3,14", "2,5", "1,0"], 0, "3,14"),
        (["12%", "15 %", "7%"], 0, "12%"),
        ([" 2", " 5", "7"], 0, " 2"),
        (["n/a", "", "2.5", "1"], 0, "n/a"),
        (["1", "NA", "NA", "NA", "?"], 1, "NA"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_stray_text_among_numbers_is_an_error_that_names_the_row(tmp_path, values, row, value, suffix):
    path = tmp_path / f"data.{suffix}"
    if suffix == "csv":
        write_csv(path, values)
    else:
        lines = [json.dumps({"x": number(value), "z": row, "label": "ab"[row % 2]}) for row, value in enumerate(values)]
        path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        choose(path)
    assert f"row {row} (the first is 0): column x is {value!r}, expected a finite number" in str(caught.value)


def test_a_stray_text_that_the_condition_leaves_out_is_named_all_the_same(tmp_path):
    write_csv(tmp_path / "data.csv", ["1", "2", "foo", "4"])
    with pytest.raises(InputError, match=r"row 2 \(the first is 0\): column x is 'foo'"):
        choose(tmp_path / "data.csv", where="x <> 'foo'")


def test_a_stray_text_in_a_later_file(tmp_path):
    for name, values in (("0.csv", ["1", "2"]), ("1.csv", ["3", "foo", "5"])):
        write_csv(tmp_path / name, values)
    with pytest.raises(InputError, match=r"1\.csv: row 1 \(the first is 0\): column x is 'foo'"):
        choose_features(open_table([str(tmp_path / "0.csv"), str(tmp_path / "1.csv")]), label="label")


@pytest.mark.parametrize(
    "values",
    [["red", "green", "3"], ["12A", "13", "14B", "15"], ["2020-01-01", "2020-01-02"], [*["nan"] * 7, "a", "b"]],
)
def test_text_is_left_out_and_named(tmp_path, values):
    write_csv(tmp_path / "data.csv", values)
    columns = choose(tmp_path / "data.csv")
    assert columns.names == ("z",)
    assert columns.note() == "features: left out x (text)"


def test_text_of_digits_in_a_file_that_knows_types_is_text(tmp_path):
    pl.DataFrame({"x": ["007", "123"], "z": [1, 2], "label": ["a", "b"]}).write_parquet(tmp_path / "data.parquet")
    assert choose(tmp_path / "data.parquet").names == ("z",)


def test_digits_in_csv_are_a_number(tmp_path):
    write_csv(tmp_path / "data.csv", ["007", "123"])
    table = open_table([str(tmp_path / "data.csv")])
    assert choose_features(table, label="label").names == ("x", "z")
    assert table.collect(["x"])["x"].to_list() == [7, 123]


def test_what_is_text_in_the_first_file_need_not_be_in_others(tmp_path):
    write_csv(tmp_path / "0.csv", ["red", "green"])
    write_csv(tmp_path / "1.csv", ["1", "2", "foo"])
    assert choose_features(open_table([str(tmp_path / "0.csv"), str(tmp_path / "1.csv")]), label="label").names == (
        "z",
    )
