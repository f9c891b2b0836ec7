import gzip
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete
from click.testing import CliRunner

from lastlayer.cli.completion import column_names
from lastlayer.cli.program import program

COLUMNS = ["id", "width", "height", "kind", "split"]


def completed(arguments, incomplete, shell=BashComplete):
    complete = shell(program, {}, "lastlayer", "_LASTLAYER_COMPLETE")
    return [item.value for item in complete.get_completions([str(argument) for argument in arguments], incomplete)]


@pytest.mark.parametrize("shell", [BashComplete, FishComplete, ZshComplete])
@pytest.mark.parametrize(
    ("before", "option"),
    [
        (["fit"], "--label"),
        (["fit"], "--features"),
        (["fit"], "--weight"),
        (["predict", "model"], "--keep"),
        (["evaluate", "model"], "--label"),
        (["evaluate", "model"], "--weight"),
    ],
)
def test_columns_of_the_given_file(table, shell, before, option):
    assert completed([*before, table, option], "", shell) == COLUMNS
    assert completed([*before, table, option], "wi", shell) == ["width"]


def test_a_model_has_no_columns(model, table):
    assert completed(["predict", model, table, "--keep"], "") == COLUMNS
    assert completed(["predict", model, "--keep"], "") == []


def test_lists_of_columns_go_on_after_a_comma(table):
    assert completed(["fit", table, "--features"], "width,h") == ["width,height"]
    assert "width,width" not in completed(["fit", table, "--features"], "width,")
    assert completed(["fit", table, "--label"], "width,h") == []


def test_the_first_file_that_can_be_read_tells(table, tmp_path):
    (tmp_path / "spoilt.parquet").write_bytes(b"PAR1")
    assert completed(["fit", tmp_path / "none", tmp_path / "spoilt.parquet", table, "--label"], "") == COLUMNS
    assert completed(["fit", tmp_path / "none", "-", "--label"], "") == []
    assert completed(["fit", "--label"], "") == []


def test_files_are_completed_by_the_shell(tmp_path):
    complete = BashComplete(program, {}, "lastlayer", "_LASTLAYER_COMPLETE")
    for arguments in (["fit"], ["fit", "data", "-o"], ["info"], ["predict"], ["evaluate", "model"]):
        assert [item.type for item in complete.get_completions(arguments, "")] == ["file"]


def test_names_from_little_of_every_kind_of_file(tmp_path):
    frame = pl.DataFrame({"a, b": [1], "c": ["x"]})
    names = ["a, b", "c"]
    frame.write_parquet(tmp_path / "d.parquet")
    frame.write_ipc(tmp_path / "d.arrow")
    frame.write_csv(tmp_path / "d.csv")
    frame.write_csv(tmp_path / "d.tsv", separator="\t")
    frame.write_ndjson(tmp_path / "d.jsonl")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + frame.write_csv().encode())
    for file in tmp_path.iterdir():
        assert column_names(file) == names, file.name
    np.save(tmp_path / "X.npy", np.zeros(3))
    np.savez(tmp_path / "d.npz", X=np.zeros(3), y=np.zeros(3))
    assert column_names(tmp_path / "X.npy") == ["X"]
    assert column_names(tmp_path / "d.npz") == ["X", "y"]


def test_a_named_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert completed(["fit", tmp_path / "pipe", "--label"], "") == []


def test_a_name_of_two_lines_is_left_out(tmp_path):
    (tmp_path / "d.jsonl").write_text(json.dumps({"two\nlines": 1, "\x1b[31m": 2, "fine": 3}))
    assert completed(["fit", tmp_path / "d.jsonl", "--label"], "") == ["fine"]


def test_the_shell_asks_the_process(table):
    environment = {
        **os.environ,
        "_LASTLAYER_COMPLETE": "bash_complete",
        "COMP_WORDS": f"lastlayer fit {table} --label k",
        "COMP_CWORD": "4",
    }
    ran = subprocess.run([sys.executable, "-m", "lastlayer"], capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "plain,kind\n", "")
    source = {"_LASTLAYER_COMPLETE": "bash_source"}
    told = CliRunner().invoke(program, env=source, prog_name="lastlayer")
    assert told.exit_code == 0
    assert "_LASTLAYER_COMPLETE=bash_complete" in told.stdout
