"""One sentence for whatever does not fit: the subject, what was received, what was expected, what to do."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import lastlayer as ll
import lastlayer.torch as lt

Z, Y = torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: lt.softmax(np.zeros(3)), TypeError, "logits: received a numpy.ndarray, expected a torch.Tensor"),
        (lambda: lt.softmax([1.0]), TypeError, "logits: received list, expected a torch.Tensor"),
        (lambda: lt.softmax(Y), TypeError, r"dtype is torch.int64, expected a floating-point one; convert with .float"),
        (lambda: lt.softmax(Z.to_sparse()), TypeError, "layout is torch.sparse_coo, expected a dense tensor"),
        (lambda: lt.softmax(Z, 2), IndexError, r"dim: received 2, but logits have 2 dimensions \(-2 to 1\)"),
        (lambda: lt.softmax(Z, 1.0), TypeError, "dim: received 1.0, expected one integer"),
        (lambda: lt.softmax(Z, beta=0), ValueError, "beta: received 0, expected a finite number greater than 0"),
        (lambda: lt.softmax(Z, beta="1"), TypeError, "beta: received '1', expected a number"),
        (lambda: lt.smooth_max(Z, beta=torch.ones(2)), ValueError, "expected a number or a tensor with one entry"),
        (lambda: lt.logsumexp(Z, (0, 0)), ValueError, "expected each dimension once"),
        (lambda: lt.cross_entropy(Z, Y[:2]), ValueError, r"labels: shape is \(2,\), expected \(3,\)"),
        (lambda: lt.cross_entropy(Z, Y.float()), TypeError, "soft_cross_entropy takes probabilities"),
        (lambda: lt.cross_entropy(Z, Y.numpy()), TypeError, "labels: received a numpy.ndarray"),
        (lambda: lt.cross_entropy(Z, Y.to("meta")), ValueError, "labels: is on meta, expected cpu, like logits"),
        (lambda: lt.cross_entropy(Z[0, 0], Y), ValueError, "is a single number"),
        (lambda: lt.cross_entropy(Z, Y, reduction="avg"), ValueError, "received 'avg', expected one of 'mean', 'sum'"),
        (lambda: lt.cross_entropy(Z, Y, label_smoothing=2), ValueError, "received 2, expected a number from 0 to 1"),
        (lambda: lt.cross_entropy(Z, Y, class_weight=torch.ones(3)), ValueError, r"shape is \(3,\), expected \(4,\)"),
        (lambda: lt.nll(Z, Y[:2]), ValueError, "each example of log_probabilities of shape"),
        (lambda: lt.soft_cross_entropy(Z, Z[:2]), ValueError, r"probabilities: shape is \(2, 4\), expected \(3, 4\)"),
        (lambda: lt.binary_cross_entropy(Z, Z[:, :2]), ValueError, r"targets: shape is \(3, 2\)"),
        (lambda: lt.binary_cross_entropy(Z, Z, positive_weight=torch.ones(3)), ValueError, "broadcasts to"),
        (
            lambda: lt.softmax(Z[0], beta=torch.ones(5, 1)),
            ValueError,
            r"beta: shape is \(5, 1\), expected one that bro",
        ),
        (lambda: lt.CrossEntropyLoss(torch.ones(3))(Z, Z), ValueError, r"class_weight: shape is \(3,\)"),
        (lambda: lt.CrossEntropyLoss()(Z, Z[:, :2]), ValueError, r"target: shape is \(3, 2\), expected \(3, 4\)"),
        (lambda: lt.CrossEntropyLoss(reduction="avg"), ValueError, "received 'avg'"),
        (lambda: lt.TemperatureScaling(-1.0), ValueError, "beta: received -1.0"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


TWINS = sorted(set(lt.__all__) & set(ll.__all__))


@pytest.mark.parametrize("name", TWINS)
def test_a_tensor_passed_to_an_array_function_names_the_twin(name):
    arguments = {"nll": (Z, Y), "cross_entropy": (Z, Y)}.get(name, (Z, Z) if "cross_entropy" in name else (Z,))
    with pytest.raises(
        TypeError, match=f"received a torch.Tensor, expected a NumPy array; lastlayer.torch.{name} takes"
    ):
        getattr(ll, name)(*arguments)


def test_a_tensor_passed_where_there_is_no_twin_says_how_to_convert():
    with pytest.raises(TypeError, match=r"pass logits.numpy\(force=True\)"):
        ll.fit_temperature(Z, Y)


def test_without_torch_the_install_command_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import lastlayer\n"
        "try:\n    import lastlayer.torch\n"
        "except ModuleNotFoundError as failure:\n    print(failure)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'lastlayer[torch]'" in result.stdout


def test_the_list_of_names_is_sorted_and_true():
    assert lt.__all__ == sorted(lt.__all__)
    assert all(hasattr(lt, name) for name in lt.__all__)


def test_no_labels_are_no_loss():
    nothing = torch.zeros(3, 0)
    assert lt.binary_cross_entropy(nothing, nothing, positive_weight=torch.zeros(0)) == 0
