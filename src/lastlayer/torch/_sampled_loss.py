"""How a sampled loss of tensors is computed: by the kernels of this library, or composed of PyTorch's operators."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from lastlayer import samplers
from lastlayer.torch import fast_path
from lastlayer.torch._arguments import checked_ignore_index, checked_reduction
from lastlayer.torch._composed_gradients import composed_gradients
from lastlayer.torch._sampled_logits import SampledLogits, check_head, sampled_logits
from lastlayer.torch.candidates import AnyCandidates, as_tensors


class SampledLoss(NamedTuple):
    """One of the sampled losses.

    composed: of sampled logits and a reduction, by PyTorch's operators. of_arrays, with_gradients: the NumPy functions.
    needs_label: whether a row without a true class costs nothing.
    """

    composed: Callable[[SampledLogits, str], torch.Tensor]
    of_arrays: Callable[..., Any]
    with_gradients: Callable[..., Any]
    needs_label: bool


def sampled_loss(
    loss: SampledLoss,
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    candidates: AnyCandidates,
    linear_bias: torch.Tensor | None,
    remove_accidental_hits: bool,
    reduction: str,
    ignore_index: int,
    *,
    sparse: bool = False,
) -> torch.Tensor:
    """Check arguments and compute a sampled loss; with `sparse`, gradients of weight and bias are sparse tensors.

    Raises: ValueError, TypeError or IndexError if something does not fit.
    """
    reduction, ignore_index = checked_reduction(reduction), checked_ignore_index(ignore_index)
    check_head(input, linear_weight, target, linear_bias)

    def composed(input, weight, bias, sparse):
        logits = sampled_logits(
            input, weight, target, candidates, bias, remove_accidental_hits, ignore_index, sparse=sparse
        )
        return loss.composed(logits, reduction)

    if (
        isinstance(candidates, samplers.Candidates)
        and reduction != "none"
        and fast_path.takes_sampled(input, linear_weight, target, linear_bias)
    ):
        as_tensors(candidates, target, linear_weight.shape[0], ignore_index, target.device)
        fast_path.borrow_threads()
        call = _Call(loss, composed, target, candidates, remove_accidental_hits, reduction, ignore_index, sparse)
        head = (input, linear_weight, linear_bias)
        if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in head):
            return _Fused.apply(*head, call)
        return call.reduced(call.run(loss.of_arrays, *head), input)
    return composed(input, linear_weight, linear_bias, sparse)


class _Call(NamedTuple):
    loss: SampledLoss
    composed: Callable[..., torch.Tensor]
    target: torch.Tensor
    candidates: samplers.Candidates
    remove_accidental_hits: bool
    reduction: str
    ignore_index: int
    sparse: bool

    def kept(self):
        """The (N,) rows that are not ignored."""
        there = self.target.numpy() != self.ignore_index
        several = there.ndim == 2
        return (there.any(1) if self.loss.needs_label else np.ones(len(there), bool)) if several else there

    def run(self, function, input, weight, bias, **options):
        labels = self.target.numpy()
        labels = np.where(labels == self.ignore_index, -1, labels).reshape(len(labels), *labels.shape[1:] or (1,))
        bias = None if bias is None else bias.detach().numpy()
        arrays = (input.detach().numpy(), weight.detach().numpy(), labels, self.candidates)
        return function(*arrays, bias=bias, remove_accidental_hits=bool(self.remove_accidental_hits), **options)

    def reduced(self, losses, input):
        total = losses.sum(dtype=np.float64, where=self.kept())
        return input.new_tensor(total / self.divisor())

    def divisor(self):
        return max(1, int(self.kept().sum())) if self.reduction == "mean" else 1


class _Fused(torch.autograd.Function):
    """Loss and gradients in one pass; where gradients are differentiated again, they are composed."""

    @staticmethod
    def forward(ctx: Any, input: Any, weight: Any, bias: Any, call: _Call) -> torch.Tensor:
        found = call.run(call.loss.with_gradients, input, weight, bias, sample_weight=call.kept())
        ctx.call, ctx.found = call, found
        ctx.divisor = call.divisor()
        # The target too: what it is in backward is what it was here, or autograd says that it was modified.
        ctx.save_for_backward(input, weight, bias, call.target)
        return call.reduced(found.losses, input)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        call, found = ctx.call, ctx.found
        needed = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            head = ctx.saved_tensors[:3]
            found = composed_gradients(lambda *views: (call.composed(*views, False),), head, needed, (upstream,))
            return *found, None
        scale = upstream / ctx.divisor
        _, weight, bias, _target = ctx.saved_tensors
        return (
            torch.from_numpy(found.features) * scale if needed[0] else None,
            _of_rows(found.weight, weight, scale, call.sparse) if needed[1] else None,
            _of_rows(found.bias, bias, scale, call.sparse) if needed[2] else None,
            None,
        )


def _of_rows(rows, parameter, scale, sparse):
    """The gradient of which an array of ClassRows has the rows."""
    indices, values = torch.from_numpy(rows.indices), torch.from_numpy(rows.values) * scale
    if sparse:
        return torch.sparse_coo_tensor(
            indices.unsqueeze(0), values, parameter.shape, is_coalesced=True, check_invariants=False
        )
    return torch.zeros_like(parameter).index_copy_(0, indices, values)
