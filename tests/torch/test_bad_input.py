"""One sentence for whatever does not fit: the subject, what was received, what was expected, what to do."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer as ll
import lastlayer.torch as lt

A, Z, Y = np.zeros(4), torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: lt.softmax(A, 0),
            TypeError,
            "input: received a numpy.ndarray, expected a torch.Tensor; the same name",
        ),
        (lambda: lt.log_softmax(A, 0, beta=2.0), TypeError, r"or pass torch.from_numpy\(input\)"),
        (lambda: lt.smooth_max(A), TypeError, "input: received a numpy.ndarray"),
        (lambda: lt.hardmax(A), TypeError, "input: received a numpy.ndarray"),
        (lambda: lt.softmax(Y, 0, beta=2.0), TypeError, "dtype is torch.int64, expected a floating-point one; convert"),
        (lambda: lt.softmax(Z, 1, beta=0), ValueError, "beta: received 0, expected a finite number greater than 0"),
        (lambda: lt.softmax(Z, 1, beta=float("nan")), ValueError, "beta: received nan, expected a finite number"),
        (lambda: lt.softmax(Z, 1, beta="1"), TypeError, "beta: received '1', expected a number"),
        (lambda: lt.softmax(Z, 1, beta=True), TypeError, "beta: received True, expected a number"),
        (lambda: lt.softmax(Z, 1, beta=Y), TypeError, "beta: dtype is torch.int64, expected a floating-point tensor"),
        (lambda: lt.softmax(Z[0], 0, beta=torch.ones(5, 1)), ValueError, "beta: shape is .*5, 1.*, expected one that"),
        (lambda: lt.smooth_max(Z, beta=torch.ones(2)), ValueError, "expected a number or a tensor with one entry"),
        (lambda: lt.cross_entropy(A, Y), TypeError, "input: received a numpy.ndarray"),
        (lambda: lt.cross_entropy(Z, Y.numpy()), TypeError, "target: received a numpy.ndarray"),
        (lambda: lt.cross_entropy(Z, Y, A), TypeError, "weight: received a numpy.ndarray"),
        (
            lambda: lt.cross_entropy(Z, Y, None, None),
            TypeError,
            "ignore_index: received None, expected an integer; size",
        ),
        (lambda: lt.cross_entropy(Z, Y, ignore_index=True), TypeError, "ignore_index: received True"),
        (lambda: lt.cross_entropy(Z, Y, ignore_index=1.0), TypeError, "ignore_index: received 1.0"),
        (lambda: lt.cross_entropy(Z, Y, reduction="avg"), ValueError, "received 'avg', expected one of 'mean', 'sum'"),
        (lambda: lt.cross_entropy(Z, Y, label_smoothing=2), ValueError, "received 2, expected a number from 0 to 1"),
        (lambda: lt.cross_entropy(Z, Y, label_smoothing=True), TypeError, "label_smoothing: received True"),
        (lambda: lt.nll(Z, Y.numpy()), TypeError, "target: received a numpy.ndarray"),
        (lambda: lt.nll(Z, Y, None, None), TypeError, "ignore_index: received None"),
        (
            lambda: lt.soft_cross_entropy(Z, Y),
            TypeError,
            "dtype is torch.int64, expected a floating-point one; cross_en",
        ),
        (lambda: lt.soft_cross_entropy(Z, Z[:2]), ValueError, r"probabilities: shape is \(2, 4\), expected \(3, 4\)"),
        (lambda: lt.binary_cross_entropy_with_logits(Z, A), TypeError, "target: received a numpy.ndarray"),
        (lambda: lt.binary_cross_entropy_with_logits(Z, Z, None, None), ValueError, "reduction: received None"),
        (lambda: lt.Softmax2d()(Z), ValueError, r"has 2 dimensions, expected \(N, C, H, W\) or \(C, H, W\)"),
        (lambda: lt.TemperatureScaling(-1.0), ValueError, "beta: received -1.0"),
        (lambda: lt.TemperatureScaling().fit(Z, Y.numpy()), TypeError, "labels: received a numpy.ndarray"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: lt.softmax(Z, 2), lambda: F.softmax(Z, 2)),
        (lambda: lt.softmax(Y, 0), lambda: F.softmax(Y, 0)),
        (lambda: lt.softmax([1.0], 0), lambda: F.softmax([1.0], 0)),
        (lambda: lt.cross_entropy(Z, Y[:2]), lambda: F.cross_entropy(Z, Y[:2])),
        (lambda: lt.cross_entropy(Z, Y.float()), lambda: F.cross_entropy(Z, Y.float())),
        (lambda: lt.cross_entropy(Z, Y, torch.ones(3)), lambda: F.cross_entropy(Z, Y, torch.ones(3))),
        (lambda: lt.cross_entropy(Z, Y + 9), lambda: F.cross_entropy(Z, Y + 9)),
        (lambda: lt.nll(Z, Y[:2]), lambda: F.nll_loss(Z, Y[:2])),
        (lambda: lt.BCEWithLogitsLoss()(Z, Z[:2]), lambda: F.binary_cross_entropy_with_logits(Z, Z[:2])),
    ],
)
def test_everything_else_is_refused_as_pytorch_does(ours, theirs):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever PyTorch's kind is
        theirs()
    with pytest.raises(type(expected.value)) as found:
        ours()
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda device: lt.cross_entropy(Z[0].to(device), torch.zeros(4, dtype=torch.int64, device=device)),
        lambda device: lt.cross_entropy(Z.to(device), Z.to(device), ignore_index=1),
        lambda device: lt.cross_entropy(Z.to(device), Z.to(device), torch.ones(1, device=device)),
        lambda device: lt.cross_entropy(Z.to(device), Y.to(device), torch.ones(1, device=device)),
        lambda device: lt.cross_entropy(Z.to(device), Y.float().to(device), label_smoothing=0.1),
        lambda device: lt.cross_entropy(Z.to(device), Y[:2].to(device)),
        lambda device: lt.binary_cross_entropy_with_logits(Z[:, :1].to(device), Z.to(device)),
        lambda device: lt.binary_cross_entropy_with_logits(Z.to(device), Z[:, :1].to(device)),
        lambda device: lt.nll(Z.to(device), Y[:2].to(device)),
        lambda device: lt.softmax(Z.to(device), 5, beta=2.0),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_other_devices_refuse_what_pytorch_refuses_on_the_cpu(call, device):
    with pytest.raises((ValueError, TypeError, RuntimeError, IndexError)):
        call(device)


def test_numbers_of_numpy_pass():
    expected = F.cross_entropy(Z, Y, ignore_index=1, label_smoothing=0.1)
    assert lt.cross_entropy(Z, Y, ignore_index=np.int64(1), label_smoothing=np.float64(0.1)) == expected
    assert torch.equal(lt.softmax(Z, 1, beta=np.float32(2.0)), lt.softmax(Z, 1, beta=2.0))


def test_a_tensor_passed_to_a_function_of_arrays_says_what_takes_it():
    for call in (lambda: ll.softmax(Z), lambda: ll.fit_temperature(Z, Y)):
        with pytest.raises(
            TypeError,
            match=r"logits: received a torch.Tensor, expected a NumPy array; lastlayer.torch takes tensors, or pass "
            r"logits.numpy\(force=True\)",
        ):
            call()


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
