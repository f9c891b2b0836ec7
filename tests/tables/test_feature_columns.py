import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, match_features, open_table


@pytest.fixture
def table_of(tmp_path):
    def write(file="data.parquet", **columns):
        frame = pl.DataFrame(columns)
        path = tmp_path / file
        frame.write_csv(path) if file.endswith("csv") else frame.write_parquet(path)
        return open_table([str(path)])

    return write


def test_the_only_column_of_lists(table_of):
    table = table_of(e=np.zeros((2, 3)), age=[1, 2], label=["a", "b"])
    columns = choose_features(table, label="label")
    assert columns.names == ("e",)
    assert columns.is_list


def test_two_columns_of_lists(table_of):
    table = table_of(e=np.zeros((2, 3)), f=np.zeros((2, 3)), label=["a", "b"])
    with pytest.raises(InputError, match="columns e and f both hold lists of numbers"):
        choose_features(table, label="label")
    assert choose_features(table, ["f"], "label").names == ("f",)


def test_every_column_of_numbers_but_the_label(table_of):
    table = table_of(name=["p", "q"], x=[1, 2], y=[0.5, 1.5], label=[0, 1])
    assert choose_features(table, label="label").names == ("x", "y")


def test_names_globs_and_commas(table_of):
    table = table_of(**{"f_1": [1], "f_2": [2], "g": [3], "a,b": [4], "label": [0]})
    assert choose_features(table, ["g, f_*"], "label").names == ("g", "f_1", "f_2")
    assert choose_features(table, ["a,b", "g"], "label").names == ("a,b", "g")
    assert choose_features(table, ["*"], "label").names == ("f_1", "f_2", "g", "a,b")


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["agee"], "--features agee: .*no column 'agee'.* did you mean 'age'"),
        (["z_*"], "no column"),
        (["label"], "it is the label column"),
        (["e", "age"], "stands beside 1 more"),
    ],
)
def test_features_that_are_not_there(table_of, patterns, message):
    table = table_of(e=np.zeros((2, 3)), age=[1, 2], label=["a", "b"])
    with pytest.raises(InputError, match=message):
        choose_features(table, patterns, "label")


def test_no_numbers(table_of):
    with pytest.raises(InputError, match="no column of numbers beside the label"):
        choose_features(table_of(text=["a"], label=["b"]), label="label")


@pytest.mark.parametrize("values", [["n/a", "1.5", "2.5"], ["inf", "nan", "-inf"]])
def test_text_among_numbers_is_reported_and_not_left_out(table_of, values):
    table = table_of("data.csv", x=values, z=[1, 2, 3], label=["a", "b", "a"])
    with pytest.raises(InputError, match=rf"row 0 \(the first is 0\): column x is '{values[0]}', expected a finite"):
        choose_features(table, label="label")


def test_names_that_look_like_numbers_are_left_out(table_of):
    table = table_of(zip=["01234", "56789"], x=[1, 2], label=["a", "b"])
    assert choose_features(table, label="label").names == ("x",)


def test_a_model_finds_its_columns_by_name_in_its_order(table_of):
    table = table_of(c=[1], b=[2], a=[3], extra=[4])
    assert match_features(table, ["a", "b"], is_list=False, width=2).names == ("a", "b")


def test_columns_that_a_model_misses(table_of):
    table = table_of(alpha=[1], beta=[2])
    with pytest.raises(InputError, match=r"no column 'alpha_', .* did you mean 'alpha'\?"):
        match_features(table, ["alpha_", "beta"], is_list=False, width=2)
    with pytest.raises(InputError, match=r"2 of the model's 3 feature columns are missing \(gamma, delta\)"):
        match_features(table, ["gamma", "beta", "delta"], is_list=False, width=3)


def test_lists_of_another_width(table_of):
    table = table_of(e=np.zeros((2, 3)))
    with pytest.raises(InputError, match="column e holds lists of 3, but the model was fitted on 4 features"):
        match_features(table, ["e"], is_list=True, width=4)


def test_the_only_column_of_lists_stands_in(table_of):
    assert match_features(table_of(f=np.zeros((2, 3))), ["e"], is_list=True, width=3).names == ("f",)
    with pytest.raises(InputError, match="no column 'e'"):
        match_features(table_of(x=[1.0]), ["e"], is_list=True, width=3)


def test_a_model_without_names(table_of):
    assert match_features(table_of(x=[1.0], y=[2.0], label=[1]), None, is_list=False, width=2, label="label").names == (
        "x",
        "y",
    )
    with pytest.raises(InputError, match="2 columns of numbers, but the model was fitted on 3 features"):
        match_features(table_of(x=[1.0], y=[2.0]), None, is_list=False, width=3)
