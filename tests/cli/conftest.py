import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from lastlayer.cli.program import program


@pytest.fixture
def run():
    """The command, in this process: its exit code, standard output and standard error."""

    def invoke(*arguments, stdin=None):
        return CliRunner().invoke(program, [str(argument) for argument in arguments], input=stdin)

    return invoke


@pytest.fixture
def refused(run):
    """The one sentence with which the command refuses its input."""

    def invoke(*arguments, stdin=None):
        result = run(*arguments, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        assert lines[0].endswith((".", "?"))
        return lines[0]

    return invoke


def clusters(rows, seed):
    """Three overlapping clouds of points in the plane, in two features that are no multiples of each other."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, rows)
    points = np.array([[0.0, 0.0], [2.0, 0.5], [0.5, 2.0]])[kinds] + rng.standard_normal((rows, 2)) * 0.7
    return points.astype(np.float32), np.array(["cat", "cow", "dog"])[kinds]


@pytest.fixture
def table(tmp_path):
    """A parquet file of two features, a label, an id and a split of 300 train, 150 val and 150 test rows."""
    points, kinds = clusters(600, seed=7)
    path = tmp_path / "animals.parquet"
    pl.DataFrame(
        {
            "id": np.arange(600),
            "width": points[:, 0],
            "height": points[:, 1],
            "kind": kinds.tolist(),
            "split": ["train"] * 300 + ["val"] * 150 + ["test"] * 150,
        }
    ).write_parquet(path)
    return path


@pytest.fixture
def model(run, table, tmp_path):
    """A head fitted by the command on the train rows of `table` and calibrated on its val rows."""
    path = tmp_path / "animals.safetensors"
    result = run(
        *("fit", table, "--label", "kind", "--features", "width,height", "--where", "split = 'train'"),
        *("--validation-where", "split = 'val'", "-o", path),
    )
    assert result.exit_code == 0, result.output
    return path
