import json
import sys

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.decision import Abstain


def test_writes_what_onnxruntime_serves(run, model, table, tmp_path):
    path = tmp_path / "animals.onnx"
    result = run("export", model, "--onnx", path, "--top", 2)
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["name", "is", "type", "shape"],
        ["-" * 17, "-" * 6, "-" * 7, "-" * 8],
        ["features", "input", "float32", "rows", "x", "2"],
        ["label", "output", "string", "rows"],
        ["probabilities", "output", "float32", "rows", "x", "3"],
        ["top_labels", "output", "string", "rows", "x", "2"],
        ["top_probabilities", "output", "float32", "rows", "x", "2"],
    ]
    features = pl.read_parquet(table)["width", "height"].to_numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    label, probabilities = session.run(["label", "probabilities"], {"features": features})
    head = ll.load(model)
    np.testing.assert_array_equal(label, head.predict(features))
    np.testing.assert_allclose(probabilities, head.predict_proba(features), atol=2e-6)


def test_the_rule_of_the_model_answers(run, model, table, tmp_path):
    head = ll.load(model)
    assert isinstance(head, ll.SoftmaxClassifier)
    head.set_decision(Abstain(0.9), abstain_label="none").save(model)
    result = run("export", model, "--onnx", tmp_path / "a.onnx", "--json")
    names = [value["name"] for value in json.loads(result.stdout)["outputs"]]
    assert names == ["label", "label_index", "probabilities"]
    features = pl.read_parquet(table)["width", "height"].to_numpy()
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    label = session.run(["label"], {"features": features})[0]
    np.testing.assert_array_equal(label, head.predict(features))
    assert "none" in label.tolist()


def test_json(run, model, tmp_path):
    path = tmp_path / "animals.onnx"
    found = json.loads(run("export", model, "--onnx", path, "--json").stdout)
    assert found["inputs"] == [{"is": "input", "name": "features", "dtype": "float32", "shape": ["rows", 2]}]
    assert [value["name"] for value in found["outputs"]] == ["label", "probabilities"]
    assert (found["onnx"], found["bytes"]) == (str(path), path.stat().st_size)
    written = onnx.load(path)
    assert (found["opset"], found["ir_version"]) == (written.opset_import[0].version, written.ir_version)
    assert found["digest"] in [entry.value for entry in written.metadata_props]


def test_refuses_what_it_cannot_write(refused, model, table, tmp_path):
    assert "expected at most that many" in refused("export", model, "--onnx", tmp_path / "a.onnx", "--top", 4)
    assert "cannot be written" in refused("export", model, "--onnx", tmp_path / "missing" / "a.onnx")
    assert "a parquet table, expected a model" in refused("export", table, "--onnx", tmp_path / "a.onnx")
    assert "is the model itself, expected another file" in refused("export", model, "--onnx", model)
    assert not list(tmp_path.glob("*.onnx"))


def test_says_which_package_is_missing(refused, model, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lastlayer.storage.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = refused("export", model, "--onnx", tmp_path / "a.onnx")
    assert said == (
        "error: to_onnx: the package onnx is not installed; install it with: pip install 'lastlayer[onnx]'."
    )
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("arguments", [[], ["--onnx"], ["--onnx", "a.onnx", "--top", "0"]])
def test_usage(run, model, arguments):
    assert run("export", model, *arguments).exit_code == 2
