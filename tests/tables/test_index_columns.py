import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, open_table

ROWS = 12


def features_of(path, **options):
    return choose_features(open_table([str(path)], **options), label="label")


def frame(**columns):
    data = {**columns, "x": np.linspace(0, 1, ROWS), "label": ["a", "b"] * (ROWS // 2)}
    return pl.DataFrame(data)


def test_trap_35_the_index_that_pandas_writes_to_csv(tmp_path):
    index = np.random.default_rng(0).permutation(ROWS)  # in no order: known by its name alone
    pd.DataFrame({"x": np.linspace(0, 1, ROWS), "label": "a"}, index=index).to_csv(tmp_path / "data.csv")
    columns = features_of(tmp_path / "data.csv")
    assert columns.names == ("x",)
    assert columns.note() == "features: left out '' (an index)"
    pd.read_csv(tmp_path / "data.csv").to_csv(tmp_path / "again.csv", index=False)
    assert dict(features_of(tmp_path / "again.csv").left_out) == {"Unnamed: 0": "an index"}


@pytest.mark.parametrize("name", ["__index_level_0__", "person"])
def test_trap_35_the_index_that_pandas_writes_to_parquet(tmp_path, name):
    table = frame(**{name: np.arange(ROWS)[::-1]})
    metadata = {"pandas": json.dumps({"index_columns": [name], "columns": []})}
    table.write_parquet(tmp_path / "data.parquet", metadata=metadata)
    columns = features_of(tmp_path / "data.parquet")
    assert columns.names == ("x",)
    assert dict(columns.left_out) == {name: "an index"}
    named = choose_features(open_table([str(tmp_path / "data.parquet")]), [f"{name},x"], "label")
    assert named.names == (name, "x")
    assert named.note() is None


@pytest.mark.parametrize("pandas", ['{"index_columns": [{"kind": "range"}]}', "no json", "[]", '{"index_columns": 3}'])
def test_metadata_that_names_no_index(tmp_path, pandas):
    frame().write_parquet(tmp_path / "data.parquet", metadata={"pandas": pandas})
    assert features_of(tmp_path / "data.parquet").names == ("x",)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_trap_35_a_column_that_counts_the_rows(tmp_path, start, suffix):
    path = tmp_path / f"data.{suffix}"
    table = frame(id=np.arange(start, start + ROWS), name=["n"] * ROWS, ok=[True] * ROWS)
    {"csv": table.write_csv, "parquet": table.write_parquet, "jsonl": table.write_ndjson}[suffix](path)
    for where in (None, "x > 0.5"):
        columns = features_of(path, where=where)
        assert columns.names == ("x",)
        assert columns.note() == ("features: left out id (counts the rows), name (text), ok (true or false)")
    assert choose_features(open_table([str(path)]), ["*d", "x"], "label").names == ("id", "x")


@pytest.mark.parametrize(
    "values",
    [
        [*range(ROWS - 1), ROWS],  # a step of two, at the end
        [*range(2, ROWS + 2)],
        [*range(ROWS)][::-1],
        [*range(ROWS - 1), None],
        [float(number) for number in range(ROWS)],
        [0] * ROWS,
    ],
)
def test_what_does_not_count_rows(tmp_path, values):
    frame(id=values).write_parquet(tmp_path / "data.parquet")
    assert features_of(tmp_path / "data.parquet").names == ("id", "x")


def test_a_few_rows_count_nothing(tmp_path):
    frame(id=np.arange(ROWS)).head(9).write_parquet(tmp_path / "data.parquet")
    assert features_of(tmp_path / "data.parquet").names == ("id", "x")


@pytest.mark.parametrize(
    ("second", "counts"), [(0, True), (1, True), (ROWS, True), (5, False), (ROWS + 1, False), (2**40, False)]
)
def test_counters_of_several_files(tmp_path, second, counts):
    paths = [str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")]
    frame(id=np.arange(ROWS)).write_parquet(paths[0])
    frame(id=np.arange(second, second + ROWS).astype(np.uint64)).write_parquet(paths[1])
    assert ("id" in choose_features(open_table(paths), label="label").left_out) == counts


def test_a_file_without_rows_does_not_end_a_count(tmp_path):
    paths = [str(tmp_path / f"{number}.parquet") for number in range(3)]
    whole = frame(id=np.arange(ROWS))
    whole.write_parquet(paths[0])
    whole.clear().write_parquet(paths[1])
    frame(id=np.arange(ROWS, 2 * ROWS)).write_parquet(paths[2])
    assert "id" in choose_features(open_table(paths), label="label").left_out


def test_nothing_but_an_index(tmp_path):
    frame(id=np.arange(ROWS)).drop("x").write_csv(tmp_path / "data.csv")
    with pytest.raises(InputError, match=r"no column of numbers .* are id \(counts the rows\); choose with"):
        features_of(tmp_path / "data.csv")


def test_many_columns_are_not_all_named(tmp_path):
    frame(**{f"t{number}": ["a"] * ROWS for number in range(20)}).write_csv(tmp_path / "data.csv")
    note = features_of(tmp_path / "data.csv").note()
    assert note == "features: left out t0, t1, t2, t3, t4, t5, t6, t7 (text) and 12 more"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    rows = b"".join(b"%d,caf\xe9,x\n" % number for number in range(ROWS))
    (tmp_path / "latin.csv").write_bytes(b"a,t,label\n" + rows)
    with pytest.raises(InputError, match=r"latin\.csv: cannot be read"):
        features_of(tmp_path / "latin.csv")


def test_a_column_that_the_first_file_lacks_is_named(tmp_path):
    paths = [str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")]
    frame().write_parquet(paths[0])
    frame(extra=np.ones(ROWS)).write_parquet(paths[1])
    columns = choose_features(open_table(paths), label="label")
    assert columns.left_out == {"extra": f"not in {paths[0]}"}
