import pytest
import torch

from lastlayer.torch import fast_path

NAMES, DTYPES = ("softmax", "log_softmax", "cross_entropy"), (torch.float32, torch.float64)


@pytest.fixture
def kernels(monkeypatch):
    """Every size is inside the window of the compiled kernels."""
    everything = ((1, 1 << 30, 0),)
    monkeypatch.setattr(fast_path, "WINDOWS", {(name, dtype): everything for name in NAMES for dtype in DTYPES})


@pytest.fixture(params=["kernels", "composed"])
def path(request, monkeypatch):
    """Either every size is inside the window, or none."""
    if request.param == "kernels":
        request.getfixturevalue("kernels")
    else:
        monkeypatch.setattr(fast_path, "WINDOWS", {})
    return request.param
