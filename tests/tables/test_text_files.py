import gzip
import io
import json
import os
import random
import subprocess
import sys
from functools import partial

import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, open_table, text_files

ORDER = ["zeta", "alpha", "label", "mid", "late", "later"]
LINES = [
    {"zeta": 1, "alpha": 2.5, "label": "x"},
    {"alpha": 1, "mid": {"q": 1, "b": 2}, "zeta": 2, "label": "y"},
    *[{"zeta": 3, "alpha": 1, "label": "x"}] * 200,
    {"later_is_null": None, "late": 1, "later": 7},
]
ORDER.insert(4, "later_is_null")


_compressed = partial(gzip.compress, mtime=0)


def jsonl(entries):
    return "\n\n".join(map(json.dumps, entries)).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.jsonl", jsonl(LINES)),
        ("data.jsonl.gz", _compressed(jsonl(LINES))),
        ("data.json", json.dumps(LINES, indent=1).encode()),
        ("data", b" \n" + json.dumps(LINES).encode()),
        ("data[1].jsonl", jsonl(LINES)),
    ],
    ids=["lines", "gzip", "array", "array without a suffix", "brackets"],
)
def test_trap_34_columns_of_json_stand_in_the_order_of_the_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    table = open_table([str(tmp_path / name)])
    assert list(table.schema) == ORDER
    assert list(open_table(["-"], stdin=io.BytesIO(content)).schema) == ORDER
    assert table.collect(["zeta", "alpha", "late"]).rows()[-1] == (None, None, 1)
    assert table.collect(["alpha"]).dtypes == [pl.Float64]


def test_trap_34_the_order_is_the_same_in_every_process(tmp_path):
    names = [f"c{number * 7919 % 1000:03d}" for number in range(40)]
    path = tmp_path / "data.jsonl"
    path.write_bytes(jsonl([dict.fromkeys(names, 1.5)] * 3))
    code = "import sys, lastlayer.tables as t; print(','.join(t.open_table(sys.argv[1:]).schema))"
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code, path], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip().split(",") == names


def test_duplicate_keys_stand_where_they_are_first(tmp_path):
    (tmp_path / "data.jsonl").write_text('{"b": 1, "a": 2, "b": 3}\n')
    assert list(open_table([str(tmp_path / "data.jsonl")]).schema) == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv.gz", _compressed(b"a,label\n1,x\n2.5,y\n")),
        ("data.tsv.gz", _compressed(b"a\tlabel\n1\tx\n2.5\ty\n")),
        ("data.jsonl.gz", _compressed(b'{"a": 1, "label": "x"}\n{"a": 2.5, "label": "y"}\n')),
        ("data.gz", _compressed(b'{"a": 1, "label": "x"}\n{"a": 2.5, "label": "y"}\n')),
    ],
    ids=["csv", "tsv", "jsonl", "nothing"],
)
def test_compressed_text(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    table = open_table([str(tmp_path / name)])
    assert table.collect(["a", "label"]).rows() == [(1.0, "x"), (2.5, "y")]
    assert table.place(1) == f"{tmp_path / name}: row 1 (the first is 0)"
    kind = "tsv" if "tsv" in name else None
    assert open_table(["-"], stdin=io.BytesIO(content), format=kind).collect(["a"])["a"].to_list() == [1.0, 2.5]


def test_damaged_gzip(tmp_path):
    whole = _compressed(b"a,label\n" + b"1,x\n" * 1000)
    for content in (whole[:-20], whole[:10] + b"\xff\xff" + whole[12:]):
        (tmp_path / "data.csv.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"data\.csv\.gz: "):
            open_table([str(tmp_path / "data.csv.gz")]).collect(["a"])


def test_trap_39_types_of_a_large_csv_file_are_those_of_all_its_rows(monkeypatch):
    """Inferred in pieces, they are what Polars infers at once wherever Polars can read the file with those."""
    monkeypatch.setattr(text_files, "_ROWS_OF_THE_FIRST_LOOK", 3)
    draw = random.Random(0)
    values = ["", "1", "-3", "007", "2.5", "1e5", "1.", "inf", "NaN", "foo", "true", "False", "9" * 23, '"1,2"', "1e"]
    for _ in range(300):
        pools = [draw.sample(values, draw.randint(1, 3)) for _ in range(3)]
        rows = [",".join(draw.choice(pool) for pool in pools) for _ in range(draw.randint(1, 12))]
        content = "\n".join(["a,b,c", *rows, ""]).encode()
        scan = partial(pl.scan_csv, content, glob=False)
        at_once = scan(infer_schema_length=None)
        try:
            expected = at_once.collect()
        except pl.exceptions.PolarsError:
            continue
        schema = text_files._schema_of_large_csv(scan)
        for name in "abc":
            # Polars alone takes whole numbers of more than 64 bits beside fractions for text.
            if schema[name] != expected.schema[name]:
                assert (expected.schema[name], schema[name]) == (pl.String, pl.Float64), content
        assert scan(schema=schema).collect().height == expected.height


def test_a_large_csv_file_with_text_far_down(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("empty,a,b,label\n" + ",1,2,x\n" * 1_500_000 + "5,foo,2.5,y\n")
    table = open_table([str(path)])
    assert dict(table.schema) == {"empty": pl.Int64, "a": pl.String, "b": pl.Float64, "label": pl.String}
    with pytest.raises(InputError, match=r"row 1500000 \(the first is 0\): column a is 'foo'"):
        choose_features(table, label="label")


def test_many_columns(tmp_path):
    names = [f"c{number}" for number in range(3000)]
    path = tmp_path / "data.csv"
    path.write_text("\n".join([",".join(names), *[",".join(["1.5"] * 3000)] * 3]))
    table = open_table([str(path)])
    assert choose_features(table).names == tuple(names)
    assert table.collect(names).shape == (3, 3000)
