import json

import numpy as np

import lastlayer as ll
from lastlayer.decision import Abstain, Evidence, PredictionSets
from lastlayer.storage.onnx_head import OnnxHead
from lastlayer.storage.onnx_metadata import onnx_metadata


def head(**changes):
    numbers = {"weight": np.eye(2), "bias": np.zeros(2), "beta": np.array(1.0), "shift": None, "link": "softmax"}
    return OnnxHead(**{**numbers, "classes": ["é", "b"], "one_label": True, **changes})


def metadata(found, unknown=None):
    return onnx_metadata(found, np.array(found.classes, object), unknown)


def test_values_are_json_but_for_the_version_and_the_digest():
    rule = Abstain(0.7, evidence=Evidence(10, "accuracy", target=0.9))
    found = metadata(head(feature_names=["x", "y"], decision=rule), "")
    assert found.pop("library_version") == ll.__version__
    assert len(found.pop("digest")) == 64
    document = {name: json.loads(value) for name, value in found.items()}
    assert document.pop("decision")["evidence"]["rows"] == 10
    assert document == {"link": "softmax", "classes": ["é", "b"], "feature_names": ["x", "y"], "abstain_label": ""}
    assert json.loads(metadata(head())["decision"]) is None
    assert json.loads(metadata(head(decision=PredictionSets([0.1, 0.2])))["decision"])["kind"] == "prediction-sets"


def test_the_digest_is_that_of_the_numbers():
    changes = [
        *({}, {"weight": np.eye(2)[::-1]}, {"weight": np.eye(2, dtype=np.float32)}, {"bias": np.array([0.0, 1.0])}),
        *({"beta": np.array(2.0)}, {"shift": np.ones(2)}, {"classes": ["a", "b"]}),
        *({"decision": Abstain(0.7)}, {"decision": Abstain([0.7, 0.7])}, {"decision": Abstain([0.7, 0.8])}),
    ]
    digests = [metadata(head(**change))["digest"] for change in changes]
    assert len(set(digests)) == len(digests)
    assert metadata(head(feature_names=["x", "y"]), "")["digest"] == digests[0]
