import json
import shlex

import polars as pl
import pytest

import lastlayer as ll


@pytest.fixture
def demo(run, tmp_path):
    result = run("demo", "--output", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    return result


def test_what_it_leaves(demo, tmp_path):
    folder = tmp_path / "demo"
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "digits.parquet",
        "digits.safetensors",
        "evaluation.json",
        "predictions.parquet",
    ]
    predictions = pl.read_parquet(folder / "predictions.parquet")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    right = (predictions["digit"] == predictions["prediction"]).mean()
    assert evaluation["accuracy"] == pytest.approx(right)
    assert right > 0.94
    assert ll.load(folder / "digits.safetensors").training_.features == "pixels"


def test_calibration_does_not_lower_the_accuracy_and_mends_the_log_loss(demo):
    figures = {line[:18].strip(): line[18:].split() for line in demo.stdout.splitlines()[2:6]}
    assert figures["accuracy"][0] == figures["accuracy"][1]
    assert float(figures["log-loss"][1]) < float(figures["log-loss"][0])


def test_three_digits_fit_eighty_columns(demo):
    lines = demo.stdout.splitlines()
    assert max(len(line) for line in lines if "/demo" not in line) <= 80
    assert sum(line.count("the head:") for line in lines) == 3


def test_what_to_try_next_works(demo, run, tmp_path, monkeypatch):
    text = demo.stdout[demo.stdout.index("Next, try") :].replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines()[1:] if line.strip()]
    assert commands[0][0] == "cd"
    monkeypatch.chdir(commands[0][1])
    assert [command[1] for command in commands[1:]] == ["info", "fit", "predict", "evaluate", "explain"]
    for command in commands[1:]:
        assert command[0] == "lastlayer"
        assert run(*command[1:]).exit_code == 0


def test_a_folder_that_cannot_be_made(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "expected a folder" in refused("demo", "--output", tmp_path / "file")
    assert "expected a folder" in refused("demo", "--output", tmp_path / "file" / "demo")
