"""Where the data sets live: LASTLAYER_DATA, else ../shared/data beside the repository."""

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def data_file(name):
    """The path of a data file; the test is skipped, with the reason, where the file is not there."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"no data file {path}; LASTLAYER_DATA names the folder")
    return path
