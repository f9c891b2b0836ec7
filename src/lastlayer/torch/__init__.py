"""The names of lastlayer for PyTorch tensors: `import lastlayer.torch as lt`.

Every function is composed of PyTorch's own operators, with PyTorch's names and signatures where it has them, on every
device. Compiled kernels serve only where they are measured to win, through the one predicate in fast_path.py.
"""

try:
    import torch as _torch  # noqa: F401 - asked for first, so that its absence gets a sentence of its own
except ModuleNotFoundError as _failure:
    raise ModuleNotFoundError(
        "lastlayer.torch: PyTorch is not installed; install it with: pip install 'lastlayer[torch]'"
    ) from _failure

from lastlayer.torch._streamed_top_k import TopK
from lastlayer.torch.binary_cross_entropy_with_logits import binary_cross_entropy_with_logits
from lastlayer.torch.candidates import Candidates
from lastlayer.torch.cross_entropy import cross_entropy
from lastlayer.torch.hardmax import hardmax
from lastlayer.torch.linear_cross_entropy import linear_cross_entropy
from lastlayer.torch.linear_cross_entropy_loss import LinearCrossEntropyLoss
from lastlayer.torch.linear_softmax_statistics import LinearSoftmaxStatistics, linear_softmax_statistics
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
from lastlayer.torch.sampled_binary_cross_entropy import sampled_binary_cross_entropy
from lastlayer.torch.sampled_cross_entropy import sampled_cross_entropy
from lastlayer.torch.sampled_linear_cross_entropy_loss import SampledLinearCrossEntropyLoss
from lastlayer.torch.sharded_linear_cross_entropy_loss import ShardedLinearCrossEntropyLoss
from lastlayer.torch.sigmoid import log_sigmoid, sigmoid
from lastlayer.torch.soft_cross_entropy import soft_cross_entropy
from lastlayer.torch.softmax import log_softmax, softmax
from lastlayer.torch.temperature_scaling import TemperatureScaling

__all__ = [
    "BCEWithLogitsLoss",
    "Candidates",
    "CrossEntropyLoss",
    "LinearCrossEntropyLoss",
    "LinearSoftmaxStatistics",
    "LogSoftmax",
    "SampledLinearCrossEntropyLoss",
    "ShardedLinearCrossEntropyLoss",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "TemperatureScaling",
    "TopK",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hardmax",
    "linear_cross_entropy",
    "linear_softmax_statistics",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "nll",
    "sampled_binary_cross_entropy",
    "sampled_cross_entropy",
    "sigmoid",
    "smooth_max",
    "soft_cross_entropy",
    "softmax",
]
