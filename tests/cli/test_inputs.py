"""Files of every kind through the commands: what --format, default features and labels of digits do there."""

import io
import os
import subprocess

import numpy as np
import polars as pl
import pytest

import lastlayer as ll

ROWS = 60


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, ROWS)
    points = rng.standard_normal((ROWS, 2)) + 2 * np.eye(3)[code][:, :2]
    return pl.DataFrame(
        {
            "id": np.arange(ROWS),
            "name": ["n"] * ROWS,
            "width": points[:, 0],
            "height": points[:, 1],
            "label": np.array(["007", "042", "100"])[code].tolist(),
        }
    )


def bytes_of(write):
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def features_of(path):
    return ll.load(path).feature_names_in_.tolist()


def test_columns_that_are_left_out_are_named(run, frame, tmp_path):
    frame.write_csv(tmp_path / "data.csv")
    result = run("fit", tmp_path / "data.csv", "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "features: left out id (counts the rows), name (text); choose with --features" in result.stderr.splitlines()
    assert features_of(tmp_path / "m") == ["width", "height"]
    named = run("fit", tmp_path / "data.csv", "--features", "id,width", "-o", tmp_path / "m")
    assert "left out" not in named.stderr
    assert features_of(tmp_path / "m") == ["id", "width"]


def test_trap_34_a_fit_of_json_lines_keeps_the_order_of_the_file(run, frame, tmp_path):
    names = [f"f{number * 37 % 100:02d}" for number in range(20)]
    wide = frame.select("label", *(pl.col("width").mul(number).alias(name) for number, name in enumerate(names, 1)))
    wide.write_ndjson(tmp_path / "data.jsonl")
    result = run("fit", tmp_path / "data.jsonl", "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert features_of(tmp_path / "m") == names


def test_labels_of_digits_keep_their_zeros_in_csv(run, frame, tmp_path):
    frame.write_csv(tmp_path / "data.csv")
    frame.filter(pl.col("label") == "100").write_csv(tmp_path / "hundreds.csv")
    frame.write_parquet(tmp_path / "data.parquet")
    model = tmp_path / "m"
    result = run(
        *("fit", tmp_path / "data.csv", "--features", "width,height", "-o", model),
        *("--validation", tmp_path / "data.parquet", "--validation-where", "id < 50"),
    )
    assert result.exit_code == 0, result.output
    assert ll.load(model).classes_.tolist() == ["007", "042", "100"]
    whole = run("evaluate", model, tmp_path / "data.csv")
    assert whole.exit_code == 0, whole.output
    assert whole.stdout == run("evaluate", model, tmp_path / "data.parquet").stdout
    assert run("evaluate", model, tmp_path / "data.csv", "--where", "label <> '007'").exit_code == 0
    assert run("evaluate", model, tmp_path / "hundreds.csv").exit_code == 0
    predicted = run("predict", model, tmp_path / "data.csv", "--keep", "label,id")
    kept = pl.read_csv(predicted.stdout.encode(), infer_schema=False)
    assert kept["label"].to_list() == frame["label"].to_list()
    assert kept["id"].to_list() == [str(number) for number in range(ROWS)]


def test_arrays_in_two_files(run, frame, tmp_path):
    np.save(tmp_path / "X.npy", frame.select("width", "height").to_numpy())
    np.save(tmp_path / "y.npy", frame["label"].to_numpy().astype(str))
    model = tmp_path / "m.safetensors"
    result = run("fit", tmp_path / "X.npy", tmp_path / "y.npy", "-o", model)
    assert result.exit_code == 0, result.output
    assert run("evaluate", model, tmp_path / "X.npy", tmp_path / "y.npy").exit_code == 0
    from_file = run("predict", model, tmp_path / "X.npy")
    piped = run("predict", model, "-", stdin=(tmp_path / "X.npy").read_bytes())
    assert from_file.exit_code == piped.exit_code == 0
    assert from_file.stdout == piped.stdout


def test_format(run, refused, frame, tmp_path):
    content = bytes_of(lambda stream: frame.write_csv(stream, separator="\t"))
    (tmp_path / "data.txt").write_bytes(content)
    model = tmp_path / "m"
    result = run("fit", "-", "--format", "tsv", "-o", model, stdin=content)
    assert result.exit_code == 0, result.output
    assert "say which with --format" in refused("evaluate", model, tmp_path / "data.txt")
    assert run("evaluate", model, tmp_path / "data.txt", "--format", "tsv").exit_code == 0
    assert run("predict", model, tmp_path / "data.txt", "--format", "tsv").exit_code == 0


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="this system has no names for open files")
def test_process_substitution(run, frame, tmp_path):
    """<(...) of a shell is the name of an open pipe."""
    frame.write_csv(tmp_path / "data.csv")
    with subprocess.Popen(["sh", "-c", "sleep 0.2; cat data.csv"], cwd=tmp_path, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        result = run("fit", f"/dev/fd/{writer.stdout.fileno()}", "--holdout", "0", "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert features_of(tmp_path / "m") == ["width", "height"]


def test_trap_38_a_query_in_where_shows_nothing_of_other_files(refused, frame, tmp_path):
    frame.write_csv(tmp_path / "data.csv")
    (tmp_path / "elsewhere.csv").write_text("secret\n1\n")
    message = refused(
        *("fit", tmp_path / "data.csv", "-o", tmp_path / "m"),
        *("--where", f"id IN (SELECT column_1 FROM read_csv('{tmp_path}/elsewhere.csv'))"),
    )
    assert "holds a query or a table function" in message
    assert "secret" not in message
