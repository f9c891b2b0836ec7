import onnx
import pytest

from lastlayer.storage import UnwritableFile
from lastlayer.storage.onnx_file import write_onnx
from tests.storage.test_onnx_graph import doubled


def test_round_trip_over_an_old_file(tmp_path):
    path = tmp_path / "head.onnx"
    path.write_text("old")
    model = doubled().model("tests", "1", "Twice the input.", {})
    write_onnx(model, path)
    assert onnx.load(path) == model
    assert [file.name for file in tmp_path.iterdir()] == ["head.onnx"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "head.onnx"
    path.write_text("old")
    model = doubled().model("tests", "1", "Twice the input.", {})

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(UnwritableFile, match=r"cannot be written .No space left on device"):
        write_onnx(model, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["head.onnx"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UnwritableFile, match=r"is a folder"):
        write_onnx(doubled().model("tests", "1", "Twice the input.", {}), tmp_path)
