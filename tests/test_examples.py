import runpy
import sys
from pathlib import Path

import pytest

# What takes minutes takes a few steps here.
ARGUMENTS = {"next_word": ["--quick"]}
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_to_its_end(script, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), *ARGUMENTS.get(script.stem, [])])
    runpy.run_path(str(script), run_name="__main__")
    output, errors = capfd.readouterr()
    assert output
    assert errors == ""
    assert not any(tmp_path.iterdir())
