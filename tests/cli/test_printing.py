import json
import os
import subprocess
import sys

import polars as pl
import pytest

from lastlayer.cli import printing

NAMES = {"cat": "\x1b[31mcat\x9b0m", "cow": "two\nlines", "dog": "\u202egod"}


class Terminal:
    def __init__(self, stream):
        self.stream = stream

    def isatty(self):
        return True

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize("terminal", [False, True])
def test_tables_and_pairs_show_control_characters_escaped(monkeypatch, capsys, terminal):
    if terminal:
        monkeypatch.setattr("sys.stdout", Terminal(printing.sys.stdout))
    printing.print_table(["\x1b[2Jclass", "n"], [["\x1b[31mcat", "1"]], foot=[["\x07", "2"]])
    printing.print_pairs([("label", "two\nlines\x9b")])
    printed = capsys.readouterr().out
    for escaped in (r"\x1b[2Jclass", r"\x1b[31mcat", r"\x07", r"two\nlines\x9b"):
        assert escaped in printed
    assert "\x1b[2J" not in printed
    assert "\x1b[31m" not in printed


@pytest.mark.parametrize("name", [*NAMES.values(), "caf\u00e9", '"quoted\\"', "\x7f"])
def test_json_on_a_terminal_is_printable_and_the_same(capsys, name):
    printing.print_json({"classes": [name]})
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed) == {"classes": [name]}


def test_names_are_as_they_are_in_json_and_files_and_escaped_elsewhere(run, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(pl.col("kind").replace(NAMES)).rename({"width": "\x1b[2Jwidth"})
    data, model, out = tmp_path / "d.parquet", tmp_path / "m", tmp_path / "out.parquet"
    frame.write_parquet(data)
    results = [
        run("fit", data, "--label", "kind", "--features", "\x1b[2Jwidth,height", "-o", model),
        run("info", model),
        run("evaluate", model, data),
        run("explain", "1", "2", "--classes", "\x1b[31mcat,cow", "--label", "\x1b[31mcat"),
    ]
    for result in results:
        assert result.exit_code == 0, result.output
        assert all(line.isprintable() for line in result.output.split("\n")), result.output
    assert r"\x1b[31mcat\x9b0m" in results[1].stdout
    for command in (["info", model], ["evaluate", model, data]):
        result = run(*command, "--json")
        assert set(json.loads(result.stdout)["classes"]) == set(NAMES.values())
        assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert run("predict", model, data, "-o", out).exit_code == 0
    assert set(pl.read_parquet(out)["prediction"]) == set(NAMES.values())


def test_predictions_on_a_terminal_and_in_a_pipe(table, monkeypatch, tmp_path, capsysbinary):
    import sys

    from lastlayer.tables import write_predictions

    batch = pl.DataFrame({"prediction": ["\x1b[31mred"], "probability": [0.5]})
    write_predictions([batch], "-", "csv")
    sys.stdout.flush()
    assert capsysbinary.readouterr().out == b"prediction,probability\n\x1b[31mred,0.5\n"
    monkeypatch.setattr("sys.stdout", Terminal(sys.stdout))
    write_predictions([batch], "-", "csv")
    sys.stdout.flush()
    assert capsysbinary.readouterr().out == b"prediction,probability\n\\x1b[31mred,0.5\n"


def test_trap_33_json_is_json_where_the_output_cannot_encode_a_name():
    command = [sys.executable, "-m", "lastlayer", "explain", "1", "2", "--classes", "\N{GRINNING FACE},b", "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    printed = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert json.loads(printed.decode("latin-1"))["classes"] == ["\N{GRINNING FACE}", "b"]
