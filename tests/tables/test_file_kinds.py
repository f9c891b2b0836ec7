import gzip
import io
from functools import partial

import numpy as np
import polars as pl
import pytest

from lastlayer.tables import KINDS, InputError, open_table
from lastlayer.tables.file_kinds import kind_of

_compressed = partial(gzip.compress, mtime=0)


def written(write):
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


FRAME = pl.DataFrame({"a": [1.5, 2.5], "label": ["x", "y"]})
CONTENTS = {
    "parquet": written(FRAME.write_parquet),
    "arrow": written(FRAME.write_ipc),
    "arrow stream": written(FRAME.write_ipc_stream),
    "csv": written(FRAME.write_csv),
    "tsv": written(lambda stream: FRAME.write_csv(stream, separator="\t")),
    "jsonl": written(FRAME.write_ndjson),
    "json": written(FRAME.write_json),
    "npz": written(lambda stream: np.savez(stream, a=[1.5, 2.5], label=["x", "y"])),
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", ["data", "data.dat", "-"])
def test_first_bytes_or_the_caller_tell_where_the_name_does_not(tmp_path, kind, name):
    content = CONTENTS[kind]
    path = name if name == "-" else str(tmp_path / name)
    if name != "-":
        (tmp_path / name).write_bytes(content)
    kinds = [kind] if kind in KINDS else ["arrow"]
    if kind not in ("csv", "tsv") or (kind == "csv" and name == "-"):
        kinds.append(None)
    for given in kinds:
        table = open_table([path], stdin=io.BytesIO(content), format=given)
        assert table.collect(["a", "label"]).equals(FRAME)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrow stream", "npz"])
def test_first_bytes_of_binary_kinds_go_before_the_name(tmp_path, kind):
    (tmp_path / "data.csv").write_bytes(CONTENTS[kind])
    assert open_table([str(tmp_path / "data.csv")]).collect(["a", "label"]).equals(FRAME)


def test_text_that_begins_like_a_binary_kind(tmp_path):
    (tmp_path / "data.csv").write_text("PAR1,b\n1,2\n")
    assert open_table([str(tmp_path / "data.csv")]).collect(["PAR1"])["PAR1"].to_list() == [1]


@pytest.mark.parametrize(
    ("name", "content", "kind", "expected"),
    [
        ("data.csv.gz", _compressed(b"a\n1\n"), None, "csv"),
        ("DATA.TSV.GZ", _compressed(b"a\n1\n"), None, "tsv"),
        ("data.gz", _compressed(b' {"a": 1}'), None, "jsonl"),
        ("data.csv.zst", b"\x28\xb5\x2f\xfd....", None, "csv"),
        ("data.csv", b"a\n1\n", "tsv", "tsv"),
        ("data.json", b'{"a": 1}\n', None, "jsonl"),
        ("data.json", b'{"a": 1}\n', "json", "jsonl"),
        ("data.jsonl", b'[{"a": 1}]\n', None, "json"),
        ("data.jsonl", b'\xef\xbb\xbf [{"a": 1}]\n', None, "json"),
    ],
)
def test_names_and_first_characters(name, content, kind, expected):
    assert kind_of(name, content, kind=kind) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.txt", b"a,b\n", "of no known kind.*--format"),
        ("data.zst", b"\x28\xb5\x2f\xfd....", "of no known kind.*--format"),
        ("data.csv", b"", "empty"),
        ("data.csv", b" \n\n", "empty"),
        ("data.csv.gz", _compressed(b""), "empty"),
        ("data.parquet.gz", _compressed(CONTENTS["parquet"]), "a parquet file inside gzip, .* unpack it first"),
        ("data.json.gz", _compressed(b'[{"a": 1}]'), "a json file inside gzip"),
        ("data.csv.gz", b"\x1f\x8b\x08\x00damaged damaged", "damaged gzip"),
    ],
)
def test_what_is_refused(name, content, message):
    with pytest.raises(InputError, match=message):
        kind_of(name, content)
