"""The names of lastlayer for PyTorch tensors: `import lastlayer.torch as lt`.

On the CPU they run the kernels of the NumPy side on the tensor's own memory, as operators that autograd, torch.compile
and torch.func know; on any other device they are composed of PyTorch's own operators. Tensors of bfloat16 and float16
are computed in float32 and come back in their own dtype.
"""

try:
    import torch as _torch  # noqa: F401 - asked for first, so that its absence gets a sentence of its own
except ModuleNotFoundError as _failure:
    raise ModuleNotFoundError(
        "lastlayer.torch: PyTorch is not installed; install it with: pip install 'lastlayer[torch]'"
    ) from _failure

from lastlayer._threads import borrow as _borrow
from lastlayer.torch._team import threads_of_torch as _threads_of_torch
from lastlayer.torch.binary_cross_entropy import binary_cross_entropy
from lastlayer.torch.cross_entropy import cross_entropy
from lastlayer.torch.hardmax import hardmax
from lastlayer.torch.logsumexp import logsumexp, smooth_max
from lastlayer.torch.modules import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    LogSoftmax,
    Sigmoid,
    Softmax,
    Softmax2d,
)
from lastlayer.torch.nll import nll
from lastlayer.torch.sigmoid import log_sigmoid, sigmoid
from lastlayer.torch.soft_cross_entropy import soft_cross_entropy
from lastlayer.torch.softmax import log_softmax, softmax
from lastlayer.torch.temperature_scaling import TemperatureScaling

_borrow(_threads_of_torch())

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "LogSoftmax",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "TemperatureScaling",
    "binary_cross_entropy",
    "cross_entropy",
    "hardmax",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "nll",
    "sigmoid",
    "smooth_max",
    "soft_cross_entropy",
    "softmax",
]
