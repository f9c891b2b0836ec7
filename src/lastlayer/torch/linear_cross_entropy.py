"""linear_cross_entropy of tensors: the loss of a linear head, without an array of all its logits."""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.torch import fast_path
from lastlayer.torch._arguments import checked_ignore_index, checked_reduction, checked_smoothing, refuse_arrays
from lastlayer.torch._linear_head import (
    checked_head,
    checked_soft_cap,
    checked_z_loss,
    may_look_at,
    takes_tiles,
)
from lastlayer.torch._linear_log_probabilities import (
    RowLogProbabilities,
    composed_log_probabilities,
    losses_of,
    tiled_log_probabilities,
)
from lastlayer.torch._logit_tiles import Head, is_autocast
from lastlayer.torch._tracing import compile_instead, is_recorded, record
from lastlayer.torch.cross_entropy import cross_entropy
from lastlayer.torch.fast_linear import Options, linear_loss
from lastlayer.torch.nll import reduced, wide_sum


def linear_cross_entropy(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    *,
    linear_bias: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
    soft_cap: float | None = None,
    z_loss: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy of the logits z = x W' + b of a linear head, in nats, without an array of N x K.

    It is `cross_entropy` of this package on torch.nn.functional.linear(input, linear_weight, linear_bias), with the
    signature of torch.nn.functional.linear_cross_entropy. Forward and backward compute a tile of logits at a time, in
    scratch memory of at most 128 MB on a CPU and 512 MB elsewhere, besides gradients and float32 sums of the input's;
    where torch.compile or torch.export unroll the tiles they are at most 16. Logits of half precision are taken to
    float32, and so are sums over tiles. The composition on all logits stands in where tiles do not serve: for second
    derivatives, torch.func, forward mode, torch.jit and tensor subclasses.

    Args:
      input: (N, D) features, or (D,) of a single example.
      linear_weight: (K, D); or (K, d_1, ..., D), which gives an input d_1 x ... losses, each a softmax over K.
      target: labels (N, d_1, ...), or () of a single example, integers in 0..K-1 or `ignore_index`; or probabilities
        (N, K, d_1, ...), or (K,), floating point, which may require grad.
      linear_bias: (K, d_1, ...) or None; -inf marks a class as impossible, but with a soft cap it is a logit of -cap.
      weight: (K,) factors >= 0 for each class, through which no gradient flows; None means 1.
      reduction: "mean" (over the summed weights of the labels that are kept; of probabilities over the losses), "sum"
        or "none". A mean over nothing is 0 with gradient 0.
      ignore_index: the label of examples without loss; None means -100 of labels, and is the only choice beside
        probabilities. Rows without a label that is kept take no part in products in eager mode.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      options: torch.nn.LinearCrossEntropyOptions or None. Its chunks and its policies of memory have no effect, since
        tiles are chosen here; sums are in float32 at least, and a graph may be retained, whatever it says.
      soft_cap: a number that turns logits into soft_cap tanh(z / soft_cap).
      z_loss: a factor; z_loss logsumexp(z)^2 is added to the loss of each example, before the reduction.
    Returns: a scalar, or with "none" losses (N, d_1, ...); in the dtype of `input`, float32 under autocast.

    Raises:
      ValueError: if shapes or options do not fit.
      TypeError: if an argument is a NumPy array, or dtypes do not fit.
      IndexError: if a label is out of range; in a compiled or exported program its loss is NaN.

    Source: Wijmans et al. 2024, Cut Your Losses in Large-Vocabulary Language Models.

    >>> import torch
    >>> features, head = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [1.0, 5.0], [0.1, 0.0]])
    >>> round(linear_cross_entropy(features, head, torch.tensor([0])).item(), 4)
    0.417
    """
    if is_recorded(input, linear_weight, target, linear_bias, weight):
        keywords = {"linear_bias": linear_bias, "weight": weight, "reduction": reduction, "ignore_index": ignore_index}
        ours = {"label_smoothing": label_smoothing, "options": options, "soft_cap": soft_cap, "z_loss": z_loss}
        return record(linear_cross_entropy, input, linear_weight, target, **keywords, **ours)
    refuse_arrays(input=input, linear_weight=linear_weight, target=target, linear_bias=linear_bias, weight=weight)
    reduction, smoothing = checked_reduction(reduction), checked_smoothing(label_smoothing)
    ignored = -100 if ignore_index is None else checked_ignore_index(ignore_index)
    z_loss = checked_z_loss(z_loss)
    rows, head = checked_head(input, linear_weight, linear_bias, checked_soft_cap(soft_cap))
    _check_options(options, rows.dtype)
    if weight is not None:
        if weight.shape != linear_weight.shape[:1]:
            raise ValueError(
                f"weight: shape is {tuple(weight.shape)}, expected ({linear_weight.shape[0]},), one for each class."
            )
        weight = weight.detach()

    shape = (*input.shape[:-1], *linear_weight.shape[1:-1])
    if _holds_probabilities(input, linear_weight, target):
        if ignore_index is not None:
            raise ValueError(f"ignore_index: received {ignore_index} beside probabilities, expected None.")
        targets = target.reshape(rows.shape[0], head.num_classes, head.positions)
        losses = _losses(rows, head, targets, weight, smoothing, z_loss).reshape(shape)
        result = losses if reduction == "none" else wide_sum(losses)
        result = result / max(1, losses.numel()) if reduction == "mean" else result
    else:
        if target.shape != shape:
            raise ValueError(
                f"target: shape is {tuple(target.shape)}, expected labels of shape {shape}, or probabilities of shape "
                f"{_shape_of_probabilities(input, linear_weight)}."
            )
        labels = target.long().reshape(rows.shape[0], head.positions)
        options = Options(head.soft_cap, smoothing, z_loss, ignored, reduction)
        plain = head.positions == 1 and fast_path.takes_linear(rows, head.weight, head.bias, labels, weight)
        if plain and (weight is None or bool(((weight >= 0) & weight.isfinite()).all())):
            result = _fast_loss(rows, head, labels, weight, options)
            result = result.reshape(shape) if reduction == "none" else result
        else:
            result = _reduced_losses(rows, head, labels, weight, options, shape)
    return result if is_autocast(input) else result.to(input.dtype)


def _reduced_losses(rows, head, labels, weight, options, shape):
    """The loss of labels (N, P) by PyTorch's operators."""
    losses = _losses_of_labels(
        rows, head, labels, weight, options.label_smoothing, options.z_loss, options.ignored
    ).reshape(shape)
    return reduced(losses, labels.reshape(shape), weight, options.ignored, options.reduction)


def _fast_loss(rows, head, labels, weight, options):
    """The loss of labels (N, 1) by compiled tiles."""
    _check_labels(labels, labels != options.ignored, head.num_classes)

    def composed(rows, head_weight, bias):
        of_views = head._replace(weight=head_weight, bias=bias)
        return _reduced_losses(rows, of_views, labels, weight, options, labels.shape[:1])

    return linear_loss(rows, head, labels.squeeze(1), weight, options, composed)


def _check_labels(labels, kept, num_classes):
    """Raise IndexError for the first row with a label out of range, and say whether all are kept."""
    wrong = kept & ((labels < 0) | (labels >= num_classes))
    any_wrong, all_kept = torch.stack([wrong.any(), kept.all()]).tolist()  # at once: another device is waited for
    if any_wrong:
        row = int(wrong.any(1).nonzero()[0])
        label = labels[row][wrong[row]][0].item()
        raise IndexError(
            f"target: row {row} is {label}, but linear_weight has {num_classes} classes (0 to {num_classes - 1})."
        )
    return all_kept


def _losses_of_labels(rows, head, labels, weight, smoothing, z_loss, ignored):
    """Losses (N, P), 0 where a label is ignored. Rows without any other leave, if one may look at them."""
    kept = labels != ignored
    if not may_look_at(labels):
        wrong = kept & ((labels < 0) | (labels >= head.num_classes))
        safe = labels.masked_fill(~kept | wrong, 0)
        losses = _losses(rows, head, safe, weight, smoothing, z_loss)
        return losses.masked_fill(wrong, math.nan).masked_fill(~kept, 0.0)
    if _check_labels(labels, kept, head.num_classes):
        return _losses(rows, head, labels, weight, smoothing, z_loss)
    indices = kept.any(1).nonzero().squeeze(1)
    some, kept_of_some = rows.index_select(0, indices), kept[indices]
    losses = _losses(some, head, labels[indices].masked_fill(~kept_of_some, 0), weight, smoothing, z_loss)
    return losses.new_zeros(labels.shape).index_copy(0, indices, losses.masked_fill(~kept_of_some, 0.0))


def _losses(rows, head, target, weight, smoothing, z_loss):
    """Losses (N, P) against labels, none of them ignored, or probabilities (N, K, P)."""
    log_p = _log_probabilities(rows, head, target, weight, all_classes=smoothing > 0.0)
    return losses_of(log_p, head.num_classes, target, weight, smoothing, z_loss)


def _log_probabilities(
    rows: torch.Tensor, head: Head, target: torch.Tensor, weight: torch.Tensor | None, *, all_classes: bool
) -> RowLogProbabilities:
    """By tiles or on all logits: the one place that chooses."""
    tiles = takes_tiles(rows, head.weight, head.bias, target, weight)
    function = tiled_log_probabilities if tiles else composed_log_probabilities
    return function(rows, head, target, weight, all_classes=all_classes)


def _shape_of_probabilities(input, linear_weight):
    return (*input.shape[:-1], linear_weight.shape[0], *linear_weight.shape[1:-1])


def _holds_probabilities(input, linear_weight, target):
    if target.shape != _shape_of_probabilities(input, linear_weight):
        if target.is_floating_point():
            raise TypeError(
                f"target: dtype is {target.dtype} and shape is {tuple(target.shape)}, expected integers, or "
                f"probabilities of shape {_shape_of_probabilities(input, linear_weight)}."
            )
        return False
    if not target.is_floating_point():
        raise TypeError(
            f"target: dtype is {target.dtype} in the shape of the logits, expected floating-point probabilities, or "
            "labels without the dimension of the classes."
        )
    return True


def _check_options(options, dtype):
    if options is None:
        return
    known = getattr(torch.nn, "LinearCrossEntropyOptions", None)
    if known is None or not isinstance(options, known):
        raise TypeError(
            f"options: received {type(options).__qualname__}, expected torch.nn.LinearCrossEntropyOptions or None."
        )
    if options.acc_dtype is torch.float64 and dtype != torch.float64:
        raise ValueError(
            f"options: acc_dtype is torch.float64 beside an input of {dtype}, whose sums are in float32; pass "
            "input.double()."
        )


def _scriptable(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    linear_bias: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: int | None = None,
    soft_cap: float | None = None,
    z_loss: float = 0.0,
) -> torch.Tensor:
    """The loss of all logits, in what TorchScript understands."""
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = F.linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    logits = logits.reshape(input.shape[:-1] + linear_weight.shape[:-1])
    if logits.dtype == torch.bfloat16 or logits.dtype == torch.float16:
        logits = logits.float()
    if soft_cap is not None:
        logits = soft_cap * torch.tanh(logits / soft_cap)
    factors = None if weight is None else weight.to(logits.dtype)
    ignored = -100 if ignore_index is None else ignore_index
    losses = cross_entropy(logits, target, factors, ignored, "none", label_smoothing)
    probabilities = target.shape == logits.shape
    if z_loss > 0.0:
        squares = z_loss * torch.logsumexp(logits, input.dim() - 1) ** 2
        losses = losses + (squares if probabilities else squares.masked_fill(target == ignored, 0.0))
    if not probabilities:
        losses = reduced(losses, target, factors, ignored, reduction)
    elif reduction != "none":
        losses = losses.sum() / (max(1, losses.numel()) if reduction == "mean" else 1)
    return losses.to(input.dtype)


compile_instead(linear_cross_entropy, _scriptable)
