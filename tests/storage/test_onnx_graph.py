import importlib
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from lastlayer.storage import onnx_graph
from lastlayer.storage.onnx_graph import ROWS, OnnxGraph


def doubled():
    graph = OnnxGraph("doubled")
    x = graph.input("x", np.float32, ROWS, 2)
    y = graph.node("Mul", [x, graph.constant("two", np.array(2, np.float32))], "y")
    graph.output(y, np.float32, ROWS, 2)
    return graph


def test_is_what_onnxruntime_runs():
    model = doubled().model("tests", "1.2", "Twice the input.", {"key": "é"})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((3, 2), np.float32)})[0].tolist() == [[2.0, 2.0]] * 3
    properties = session.get_modelmeta()
    assert (properties.producer_name, properties.custom_metadata_map) == ("tests", {"key": "é"})
    assert (model.producer_version, model.doc_string, model.graph.name) == ("1.2", "Twice the input.", "doubled")
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)


def test_a_constant_stands_once():
    graph = doubled()
    graph.constant("two", np.array(2, np.float32))
    assert [constant.name for constant in graph.model("", "", "", {}).graph.initializer] == ["two"]


def test_refuses_more_than_a_file_holds(monkeypatch):
    monkeypatch.setattr(onnx_graph, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match=r"^to_onnx: the head takes 0\.0 GiB, but a file of ONNX holds at most 2"):
        doubled().model("tests", "1", "Twice the input.", {})


def test_without_the_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "lastlayer.storage.onnx_graph")
    with pytest.raises(ModuleNotFoundError, match=r"^to_onnx: .*; install it with: pip install 'lastlayer\[onnx\]'$"):
        importlib.import_module("lastlayer.storage.onnx_graph")
