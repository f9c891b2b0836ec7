import numpy as np
import onnxruntime
import pytest

from lastlayer.storage.onnx_head import OnnxHead, onnx_of_head


def head(classes, **changes):
    size = len(classes)
    weight = np.eye(size, 2, dtype=np.float64)
    numbers = {"weight": weight, "bias": np.zeros(size), "beta": np.array(1.0), "shift": None, "link": "softmax"}
    return OnnxHead(**{**numbers, "classes": classes, "one_label": True, **changes})


def served(model, features):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": np.array(features, np.float32)}), strict=True))


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        (np.array([7, -3], np.int8), np.int64),
        (np.array([7, 2**63 - 1], np.uint64), np.int64),
        (np.array([False, True]), np.bool_),
        (np.array([0.5, 1.5], np.float16), np.float32),
        (np.array([0.1, 1.5]), np.float64),
        (np.array(["né", "日本"]), object),
        (np.array(["a\0", ""], object), object),
    ],
)
def test_labels_are_what_they_were(classes, dtype):
    label = served(onnx_of_head(head(classes)), [[1, 0], [0, 1]])["label"]
    assert label.dtype == dtype
    assert label.tolist() == classes.tolist()


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (np.array([1, 2**63], np.uint64), ValueError, "^classes: the largest is 9223372036854775808, expected"),
        (np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), TypeError, "^classes: dtype is datetime64"),
        (np.array(["a", 1], object), TypeError, "^classes: class 1 is 1 of type int"),
        (np.array(["a", "\ud800"]), ValueError, "^classes: class 1 is .*, expected text that UTF-8 can hold"),
    ],
)
def test_refuses_labels_that_onnx_has_not(classes, error, message):
    with pytest.raises(error, match=message):
        onnx_of_head(head(classes))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("coef_: entry .1, 0.", lambda value: {"weight": np.array([[0, 0], [value, 0]])}),
        ("intercept_: entry 1", lambda value: {"bias": np.array([0, value])}),
        ("bias_: entry 0", lambda value: {"shift": np.array([value, 0]), "link": "sigmoid"}),
    ],
)
def test_refuses_numbers_that_are_not_finite_in_float32(name, changes, value):
    with pytest.raises(ValueError, match=f"^{name} is .*, expected numbers that are finite in float32"):
        onnx_of_head(head([0, 1], **changes(value)))


@pytest.mark.parametrize("beta", [1e-31, 1e31, np.nan])
def test_refuses_a_beta_that_float32_cannot_multiply_by(beta):
    with pytest.raises(ValueError, match=r"^beta_: is .*, expected 1e-30 to 1e\+30 in float32"):
        onnx_of_head(head([0, 1], beta=np.array(beta)))


def test_labels_each_for_itself():
    numbers = {"beta": np.array([2.0, 1.0]), "shift": np.array([-1.0, 1.0]), "link": "sigmoid", "one_label": False}
    found = served(onnx_of_head(head(["a", "b"], **numbers), top=1), [[0.5, 0.0], [1.0, -2.0]])
    assert list(found) == ["labels", "probabilities", "top_labels", "top_probabilities"]
    assert found["labels"].tolist() == [[False, True], [True, False]]
    sigmoid = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(found["probabilities"], [[0.5, sigmoid], [sigmoid, 1 - sigmoid]], rtol=1e-6)
    assert found["top_labels"].tolist() == [["b"], ["a"]]
