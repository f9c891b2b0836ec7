import polars as pl
import pytest

from lastlayer.tables import FeatureColumns, InputError, choose_scores, open_table


@pytest.fixture
def table(tmp_path):
    frame = pl.DataFrame(
        {
            "p_cat": [0.5],
            "p_a*b": [0.3],
            "p_": [0.2],
            "q.x.y": [1.0],
            "p_weight": [2.0],
            "text": ["a"],
            "vector": [[0.1, 0.9]],
            "names": [["a"]],
        }
    )
    frame.write_parquet(tmp_path / "d.parquet")
    return open_table([tmp_path / "d.parquet"])


@pytest.mark.parametrize(
    ("pattern", "names", "classes"),
    [
        ("p_*", ["p_cat", "p_a*b", "p_"], ["cat", "a*b", ""]),
        ("q.*.y", ["q.x.y"], ["x"]),
        ("p_ca?", ["p_cat"], ["p_cat"]),
        ("p_*t,q*", ["p_cat", "q.x.y"], ["ca", ".x.y"]),
        ("p_cat, p_", ["p_cat", "p_"], ["p_cat", "p_"]),
        ("p_a*b,p_cat", ["p_a*b", "p_cat"], ["p_a*b", "p_cat"]),
    ],
)
def test_columns_and_the_names_of_their_classes(table, pattern, names, classes):
    columns, found = choose_scores(table, pattern, "--probabilities", taken=("p_weight", None))
    assert columns == FeatureColumns(tuple(names))
    assert found == classes


def test_a_column_of_lists(table):
    assert choose_scores(table, "vector", "--logits") == (FeatureColumns(("vector",), is_list=True), None)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("p_cat", "--logits p_cat: the column holds Float64, expected lists of numbers, one for each class"),
        ("names", "--logits names: the column holds List(String), expected lists of numbers"),
        ("z*", "no column 'z*'"),
        ("tex*", "column text holds String, expected numbers"),
        (" , ", "expected the name of a column"),
    ],
)
def test_what_is_no_column_of_scores(table, pattern, message):
    with pytest.raises(InputError) as failure:
        choose_scores(table, pattern, "--logits")
    assert message in str(failure.value)
