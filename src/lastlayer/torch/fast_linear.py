"""The loss of a linear head by compiled tiles, where fast_path.takes_linear takes it.

For a sum or a mean, gradients come with the loss, in three products in place of four: a tile's logits are still there.
They are kept until backward, which multiplies them with what arrives. Losses one by one keep nothing, and backward
computes their logits anew.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch._C._autograd import _get_current_graph_task_keep_graph

from lastlayer.linear import Gradients, sweep
from lastlayer.linear import Head as ArrayHead
from lastlayer.losses import SoftmaxLossOnTiles
from lastlayer.torch import fast_path
from lastlayer.torch._composed_gradients import composed_gradients
from lastlayer.torch._logit_tiles import Head


class Options(NamedTuple):
    """How a loss is reduced and what is added to it; labels `ignored` cost nothing."""

    soft_cap: float | None
    label_smoothing: float
    z_loss: float
    ignored: int
    reduction: str


def linear_loss(
    input: torch.Tensor,
    head: Head,
    labels: torch.Tensor,
    class_weight: torch.Tensor | None,
    options: Options,
    composed: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """The reduced loss, or losses (N,), of rows (N, D) that takes_linear took against labels (N,), int64, in range.

    `composed`, of (input, weight, bias), is the same loss for second derivatives.
    """
    fast_path.borrow_threads()
    head_tensors = (input, head.weight, head.bias)
    if not (torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in head_tensors)):
        loss = _Loss(*head_tensors, labels, class_weight, options)
        loss.run((False,) * 3, loss.share)
        return loss.reduced()
    return _LinearLoss.apply(input, head.weight, head.bias, labels, class_weight, options, composed)


class _LinearLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        class_weight: torch.Tensor | None,
        options: Options,
        composed: Callable[..., torch.Tensor],
    ) -> torch.Tensor:
        loss = _Loss(input, weight, bias, labels, class_weight, options)
        wanted = ctx.needs_input_grad[:3] if options.reduction != "none" else (False,) * 3
        gradients = loss.run(wanted, loss.share)
        ctx.save_for_backward(input, weight, bias, labels, class_weight, *gradients)
        ctx.options, ctx.composed = options, composed
        return loss.reduced()

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        input, weight, bias, labels, class_weight, *gradients = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or not fast_path.is_plain(upstream):
            found = composed_gradients(lambda *head: (ctx.composed(*head),), (input, weight, bias), wanted, (upstream,))
        elif ctx.options.reduction == "none":
            loss = _Loss(input, weight, bias, labels, class_weight, ctx.options)
            found = loss.run(wanted, upstream.numpy().astype(np.float64))
        elif _get_current_graph_task_keep_graph():
            found = tuple(None if gradient is None else gradient * upstream for gradient in gradients)
        else:
            factor = upstream.item()
            found = gradients if factor == 1.0 else [g if g is None else g.mul_(factor) for g in gradients]
        return (*found, None, None, None, None)


class _Loss:
    """A loss of arrays that share the tensors' memory."""

    def __init__(self, input, weight, bias, labels, class_weight, options):
        self._input, self._weight = input.detach().numpy(), weight.detach().numpy()
        self._bias = None if bias is None else bias.detach().numpy()
        self._options, self._dtype = options, input.dtype
        known, num_classes = labels.numpy(), len(self._weight)
        kept = known != options.ignored
        self._rows = None if kept.all() else np.flatnonzero(kept)
        known = known if self._rows is None else known[self._rows]
        factors = None if class_weight is None else class_weight.detach().double().numpy()
        of_label = np.ones(len(known)) if factors is None else factors[known]
        common = None
        if options.label_smoothing > 0.0:
            common = options.label_smoothing / num_classes * (np.ones(num_classes) if factors is None else factors)
            common = common.astype(self._input.dtype)
        # A mean over nothing is 0.
        whole = float(of_label.sum()) if options.reduction == "mean" else 1.0
        self.share = np.full(len(kept), 1.0 / whole if whole > 0 else 0.0)
        self._loss = SoftmaxLossOnTiles(
            np.ascontiguousarray(known),
            (1.0 - options.label_smoothing) * of_label,
            common,
            options.z_loss,
            options.soft_cap or 0.0,
            np.empty(0),
            *np.empty((2, len(known))),
        )

    def run(self, wanted, row_scale):
        """Compute the losses and return the gradients of row_scale (N,) times them that are wanted, None for others."""
        gradients = None
        if any(wanted):
            gradients = Gradients(
                np.zeros(self._input.shape, self._input.dtype) if wanted[0] else None,
                np.empty(self._weight.shape, self._weight.dtype) if wanted[1] else None,
                np.empty((1, len(self._weight))) if wanted[2] else None,
            )
        row_scale = row_scale if self._rows is None else row_scale[self._rows]
        loss = self._loss = self._loss._replace(row_scale=row_scale)
        head = ArrayHead(self._weight, self._bias, loss.soft_cap)
        sweep(loss, head, self._input, self._rows, self._input.dtype, gradients)
        if gradients is None:
            return (None,) * 3
        of_bias = None if gradients.class_sums is None else gradients.class_sums[0]
        return tuple(
            None if gradient is None else torch.from_numpy(gradient).to(self._dtype)
            for gradient in (gradients.features, gradients.weight, of_bias)
        )

    def reduced(self):
        """The losses as they are asked for, summed in float64."""
        losses = self._loss.losses
        if self._options.reduction != "none":
            share = self.share[0] if len(self.share) else 0.0
            # A weight of 0 in all: 0, whatever the losses.
            return torch.tensor(losses.sum() * share if share else 0.0, dtype=self._dtype)
        if self._rows is not None:
            losses = np.zeros(len(self._input))
            losses[self._rows] = self._loss.losses
        return torch.from_numpy(losses).to(self._dtype)
