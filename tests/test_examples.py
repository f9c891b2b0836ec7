import subprocess
import sys
from pathlib import Path

import pytest

# What takes minutes takes a few steps here.
ARGUMENTS = {"next_word": ["--quick"]}
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_to_its_end(script, tmp_path):
    command = [sys.executable, "-W", "error", script, *ARGUMENTS.get(script.stem, [])]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout
    assert not any(tmp_path.iterdir())
