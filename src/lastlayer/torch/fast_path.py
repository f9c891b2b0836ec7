"""The one place where compiled kernels answer for PyTorch's operators: a plain CPU tensor of a size at which they win.

Anything else, and every second derivative, is composed of PyTorch's operators. Nothing is registered with PyTorch.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import _C
from torch._C._autograd import _get_current_graph_task_keep_graph
from torch._C._functorch import is_legacy_batchedtensor
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from lastlayer._layouts import GRAIN, run
from lastlayer._threads import borrow, run_blocks
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.labels import count_labels
from lastlayer.kernels.softmax import LogSoftmax, Softmax
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.kernels.targets import Label
from lastlayer.torch._team import threads_of_torch
from lastlayer.torch._windows import WINDOWS as _BY_INSTRUCTIONS

# Multiplications of a linear head from which on its tiles win; fewer take less time than the call.
_LEAST_LINEAR = 1 << 21
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_INSTRUCTIONS = torch.backends.cpu.get_cpu_capability()
# Empty where nothing was measured.
WINDOWS = _BY_INSTRUCTIONS.get(_INSTRUCTIONS, {})


def is_plain(tensor: Any) -> bool:
    """Whether this is an ordinary dense CPU tensor that is computed with at once: nothing records or transforms it."""
    return (
        type(tensor) in _PLAIN
        and not is_compiling()
        and tensor.is_cpu
        and not tensor.is_nested
        and not tensor.is_neg()
        and tensor.layout is torch.strided
        and not _C._are_functorch_transforms_active()
        and not is_legacy_batchedtensor(tensor)
        and not _C._is_torch_function_mode_enabled()
        and not _C._len_torch_dispatch_stack()
        and forward_ad._current_level < 0
        and not _C._is_tracing()
    )


def takes(name: str, input: Any, dim: int) -> bool:
    """Whether the kernels of `name` win on this tensor with classes along `dim`: contiguous rows, inside a window."""
    if type(input) not in _PLAIN or is_compiling() or input.is_nested:
        return False
    windows = WINDOWS.get((name, input.dtype))
    if windows is None or input.ndim == 0 or type(dim) is not int or dim not in (-1, input.ndim - 1):
        return False
    num_classes, size = input.shape[-1], input.numel()
    for first, last, least_rows in windows:
        if first <= num_classes <= last:
            return size >= num_classes * least_rows and is_plain(input) and input.is_contiguous()
    return False


def takes_linear(*tensors: torch.Tensor | None) -> bool:
    """Whether compiled tiles win on the loss of a linear head, the first two being its rows (N, D) and weights (K, D).

    All are ordinary CPU tensors, those two of one dtype, float32 or float64, and their product is worth the call.
    """
    rows, weight = tensors[:2]
    if rows is None or weight is None or rows.dtype not in (torch.float32, torch.float64) or weight.dtype != rows.dtype:
        return False
    # Sizes come last: of a program that is being recorded they are not known yet.
    plain = all(tensor is None or is_plain(tensor) for tensor in tensors)
    return plain and rows.shape[0] * weight.numel() >= _LEAST_LINEAR


def takes_sampled(input: Any, weight: Any, target: Any, bias: Any) -> bool:
    """Whether a sampled loss of a linear head is for the kernels: ordinary CPU tensors of one dtype, no autocast.

    They win at every size measured, since they form no array of all sampled logits.
    """
    heads = [tensor for tensor in (input, weight, bias) if tensor is not None]
    return (
        all(is_plain(tensor) for tensor in (*heads, target))
        and input.dtype in (torch.float32, torch.float64)
        and all(tensor.dtype is input.dtype for tensor in heads)
        and not torch.is_autocast_enabled("cpu")
    )


def along_last_dim(name: str, input: torch.Tensor, beta: float) -> torch.Tensor:
    """Softmax or log_softmax of a tensor that `takes` took, for a beta whose products its dtype holds."""
    borrow_threads()
    if input.requires_grad and torch.is_grad_enabled():
        return (_Softmax if name == "softmax" else _LogSoftmax).apply(input, beta)
    return _filled(Softmax if name == "softmax" else LogSoftmax, input, beta)


def cross_entropy(input: torch.Tensor, target: torch.Tensor, ignore_index: int, reduction: str) -> torch.Tensor:
    """The loss of (N, K) logits that `takes` took against labels (N,), int64, plain and contiguous.

    Raises: IndexError for a label out of range.
    """
    borrow_threads()
    if input.requires_grad and torch.is_grad_enabled():
        return _CrossEntropy.apply(input, target, ignore_index, reduction)
    return _losses(input, target, ignore_index, reduction, None)


@cache
def borrow_threads() -> None:
    """Run the kernels on PyTorch's own threads from the first call on: they spin for a while after each operation."""
    borrow(threads_of_torch())


def _filled(operation: type[Softmax | LogSoftmax], input: torch.Tensor, beta: float) -> torch.Tensor:
    num_classes = input.shape[-1]
    result = torch.empty_like(input, requires_grad=False)
    source, target = (tensor.numpy().reshape(-1, num_classes, 1) for tensor in (input.detach(), result))
    run(operation(scale_of(beta, source.dtype)), source, target)
    return result


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, beta: float) -> torch.Tensor:
        result, ctx.beta = _filled(Softmax, input, beta), beta
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (p,) = ctx.saved_tensors
        if _is_short(p):
            product = p * upstream
            gradient = product.addcmul_(p, product.sum(-1, keepdim=True), value=-1)
        else:
            gradient = torch.ops.aten._softmax_backward_data(upstream, p, -1, p.dtype)
        return gradient if ctx.beta == 1.0 else gradient * ctx.beta, None


class _LogSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, beta: float) -> torch.Tensor:
        result, ctx.beta = _filled(LogSoftmax, input, beta), beta
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (log_p,) = ctx.saved_tensors
        if _is_short(log_p):
            gradient = torch.addcmul(upstream, log_p.exp(), upstream.sum(-1, keepdim=True), value=-1)
        else:
            gradient = torch.ops.aten._log_softmax_backward_data(upstream, log_p, -1, log_p.dtype)
        return gradient if ctx.beta == 1.0 else gradient * ctx.beta, None


def _is_short(result: torch.Tensor) -> bool:
    """Whether elementwise operators take less time than PyTorch's own backward of these rows, by up to 6 times.

    That computes a row that does not fill a vector number by number.
    """
    if result.dtype == torch.float32:
        return result.shape[-1] < (16 if _INSTRUCTIONS == "AVX512" else 8)
    return 4 <= result.shape[-1] < 16


class _CrossEntropy(torch.autograd.Function):
    """Loss and gradient in one pass.

    The logits are only needed where the gradient is differentiated again. They are no saved tensor, so that they may be
    changed in place once the loss is known, as with PyTorch's own.
    """

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, target: torch.Tensor, ignore_index: int, reduction: str) -> torch.Tensor:
        gradient = torch.empty_like(input, requires_grad=False)
        result = _losses(input, target, ignore_index, reduction, gradient)
        ctx.save_for_backward(target, gradient)
        ctx.input, ctx.version, ctx.ignore_index, ctx.reduction = input, input._version, ignore_index, reduction
        return result

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        target, gradient = ctx.saved_tensors
        rows = upstream.unsqueeze(-1) if ctx.reduction == "none" else upstream
        keep = _get_current_graph_task_keep_graph()
        if torch.is_grad_enabled():
            gradient = _composed_gradient(_unchanged(ctx), target, ctx.ignore_index, ctx.reduction) * rows
        elif keep or not is_plain(upstream):
            gradient = gradient * rows
        elif ctx.reduction == "none" or upstream.item() != 1.0:
            gradient.mul_(rows)
        if not keep:
            ctx.input = None
        return gradient, None, None, None


def _unchanged(ctx: Any) -> torch.Tensor:
    """The logits. Raises RuntimeError if they were changed since, as PyTorch does of what it saves."""
    if ctx.input._version != ctx.version:
        raise RuntimeError(
            "cross_entropy: input was modified in place after the loss was computed, expected it unchanged where its "
            "gradient is differentiated again; pass input.clone()."
        )
    return ctx.input


def _composed_gradient(input: torch.Tensor, target: torch.Tensor, ignore_index: int, reduction: str) -> torch.Tensor:
    """The gradient of every row's loss, or its part of their mean, differentiable again."""
    kept = target != ignore_index
    one_hot = F.one_hot(target.masked_fill(~kept, 0), input.shape[1])
    gradient = torch.where(kept.unsqueeze(1), F.softmax(input, 1) - one_hot, 0.0)
    return gradient / kept.sum().clamp(min=1) if reduction == "mean" else gradient


def _losses(
    input: torch.Tensor, target: torch.Tensor, ignore_index: int, reduction: str, gradient: torch.Tensor | None
) -> torch.Tensor:
    """The reduced loss; with `gradient`, an empty tensor, that of the loss (of each loss with "none") is written there.

    Sums are accumulated in float64.
    """
    logits, labels = input.detach().numpy(), target.numpy()
    num_rows, num_classes = logits.shape
    counts = run_blocks(
        lambda first, last: count_labels(labels[first:last], num_classes, ignore_index), num_rows, items_per_block=GRAIN
    )
    if any(wrong for _kept, wrong in counts):
        wrong = (labels != ignore_index) & ((labels < 0) | (labels >= num_classes))
        raise IndexError(
            f"target: row {wrong.argmax()} is {labels[wrong.argmax()]}, but input has {num_classes} classes "
            f"(0 to {num_classes - 1})."
        )
    kept = max(1, sum(kept for kept, _wrong in counts))
    if ignore_index >= 0:
        labels = np.where(labels == ignore_index, -1, labels)  # which every kernel ignores
    losses = np.empty(num_rows)
    operation = SoftmaxLoss(Label(labels, 1.0), 1.0 / kept if reduction == "mean" else 1.0, losses)
    run(operation, logits[:, :, None], None if gradient is None else gradient.numpy()[:, :, None])
    result = torch.from_numpy(losses)
    if reduction != "none":
        result = result.sum() / kept if reduction == "mean" else result.sum()
    return result.to(input.dtype)
