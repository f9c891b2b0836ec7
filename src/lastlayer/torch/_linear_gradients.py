"""Gradients of the log-probabilities of a linear head, a tile of its logits at a time."""

from typing import NamedTuple

import torch
from torch.compiler import is_compiling

from lastlayer.torch._logit_tiles import (
    Head,
    Memory,
    add_wide_product,
    blocks,
    bytes_of_a_logit,
    has_fused_rows,
    has_wide_products,
    index_in,
    rows_of_block,
    slope_of_cap,
    tile_of_logits,
    weights_of_tile,
)
from lastlayer.torch._tiles import tile_sizes


class _Rows(NamedTuple):
    """What is known of each row before its logits; with the names of `gradients`.

    Attributes:
      input: (N, D).
      signed: the input times the sign of f, or as it is if there is more than one position.
      target: labels (N, P) or probabilities (N, K, P).
      logsumexp: (N, P), as all that follow.
      shift: lse - ln |f|.
      sign: that of f.
      at_label: sign dz_y; None of probabilities.
      b: the upstream gradient of the target's log-probability.
      c: that of all classes'.
    """

    input: torch.Tensor
    signed: torch.Tensor
    target: torch.Tensor
    logsumexp: torch.Tensor
    shift: torch.Tensor
    sign: torch.Tensor
    at_label: torch.Tensor | None
    b: torch.Tensor
    c: torch.Tensor | None


def gradients(
    input: torch.Tensor,
    head: Head,
    target: torch.Tensor,
    class_weight: torch.Tensor | None,
    logsumexp: torch.Tensor,
    of_target: torch.Tensor,
    upstream: tuple[torch.Tensor, ...],
    *,
    all_classes: bool,
    needed: tuple[bool, ...],
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of input, weight, bias and target, those that are needed, from the results of forward.

    With upstream gradients a of the logsumexp, b of the target's and c of all classes', and V the sum of weights v,

        dz_k = (a - b sum_j v_j t_j - c V) p_k + b v_k t_k + c v_k

    of probabilities t. Of a label y, with t_y = 1 and without v there, dz_y = (a - c V) p_y - b expm1(ln p_y) + c v_y,
    which does not cancel. The factor f of p_k is part of its exponent but for the sign: |f| p = exp(z - lse + ln |f|).

    The weight's gradient is one product over all rows for each tile of classes; if the rows are in blocks, those of
    half precision are summed in float32, as the input's are over tiles. The gradient of the input is left in the dtype
    of the sums, for a caller that goes on with them. A label outside 0..K-1 is that of a class of another head.
    """
    needs_input, needs_weight, needs_bias, needs_target = needed[:4]
    memory = None if is_compiling() else Memory()
    size = bytes_of_a_logit(input, head, target, all_classes=all_classes)
    num_rows, block = tile_sizes(
        input.shape[0], *head.sizes, input.device, compiled=memory is None, bytes_of_a_logit=size
    )
    every = _rows(input, head, target, class_weight, logsumexp, of_target, upstream, all_classes, block)
    dtype = logsumexp.dtype
    of_input = torch.zeros(input.shape, dtype=dtype, device=input.device) if needs_input else None
    of_probabilities = torch.empty_like(target) if needs_target else None
    of_weight = torch.empty_like(head.weight) if needs_weight and memory is not None else None
    parts, of_bias = [], []
    for first, last in blocks(head.num_classes, block):
        part, weights = head.of_classes(first, last), weights_of_tile(class_weight, first, last, dtype)
        of_part = None if of_weight is None else of_weight[first * head.positions : last * head.positions]
        summed = None
        if of_part is not None and num_rows is not None and of_part.dtype != dtype:
            summed = torch.zeros(of_part.shape, dtype=dtype, device=of_part.device)
        of_bias_part = torch.zeros(part.weight.shape[:1], dtype=dtype, device=input.device)
        for start, stop in blocks(input.shape[0], num_rows):
            some = rows_of_block(start, stop, num_rows)
            rows = _Rows(*(None if tensor is None else some(tensor) for tensor in every))  # pyright: ignore[reportArgumentType]
            z = tile_of_logits(rows.input, part, memory)
            if of_probabilities is not None:
                some(of_probabilities)[:, first:last] = _of_probabilities(z, rows, first, last, weights)
            tile = _slopes(z, rows, first, last, weights, head.soft_cap, memory).reshape(
                rows.input.shape[0], part.weight.shape[0]
            )
            if of_input is not None:
                _add_product(some(of_input), tile, part.weight)
            if needs_bias:
                signs = rows.sign.to(tile.dtype)
                of_bias_part += (tile * signs if head.positions == 1 else tile).sum(0, dtype=dtype)
            if summed is not None:
                _add_product(summed, tile.t(), rows.signed)
            elif of_part is not None and num_rows is None:
                torch.mm(tile.t(), rows.signed, out=of_part)
            elif of_part is not None:
                torch.addmm(of_part, tile.t(), rows.signed, beta=float(start > 0), out=of_part)
            elif needs_weight:
                parts.append(tile.t() @ rows.signed)
        if summed is not None and of_part is not None:
            of_part.copy_(summed)
        of_bias.append(of_bias_part)
    if of_input is not None:
        of_input = of_input.mul_(every.sign) if head.positions == 1 else of_input
    return (
        of_input,
        torch.cat(parts) if parts else of_weight,
        torch.cat(of_bias).to(input.dtype) if needs_bias else None,
        of_probabilities,
    )


def _rows(input, head, target, class_weight, logsumexp, of_target, upstream, all_classes, block):
    a, b, c = upstream
    dtype = logsumexp.dtype
    class_weight = None if class_weight is None else class_weight.to(dtype)
    f = a
    if all_classes:
        f = f - c * (head.num_classes if class_weight is None else class_weight.sum())
    if target.is_floating_point():
        at_label, f = None, f - b * _mass(target, class_weight, dtype, block)
    else:
        at_label = f * of_target.exp() - b * of_target.expm1()
        if all_classes:
            # Of labels of other heads' classes any weight serves, since no tile holds them.
            of_label = None if class_weight is None else class_weight[target.clamp(0, head.num_classes - 1)]
            at_label = at_label + (c if of_label is None else c * of_label)
        if head.soft_cap is not None:
            at_label = at_label * slope_of_cap(of_target + logsumexp, head.soft_cap)
        f = f - b
    sign = torch.where(f < 0, -1.0, 1.0).to(dtype)
    return _Rows(
        input=input,
        # With one position the sign is left to the products.
        signed=input * sign.to(input.dtype) if head.positions == 1 else input,
        target=target,
        logsumexp=logsumexp,
        shift=logsumexp - f.abs().log(),
        sign=sign,
        at_label=None if at_label is None else at_label * sign,
        b=b,
        c=c if all_classes else None,
    )


def _mass(probabilities, class_weight, dtype, block):
    """sum_k v_k t_k of (N, K, P), without another array of that size."""
    total = torch.zeros((probabilities.shape[0], probabilities.shape[2]), dtype=dtype, device=probabilities.device)
    for first, last in blocks(probabilities.shape[1], block):
        total += _weighted(probabilities, first, last, weights_of_tile(class_weight, first, last, dtype), dtype).sum(1)
    return total


def _weighted(probabilities, first, last, weights, dtype):
    """V t of some classes."""
    given = probabilities[:, first:last].to(dtype)
    return given if weights is None else given * weights


def _of_probabilities(z, rows, first, last, weights):
    """B v_k ln p_k: the gradient of t_k, 0 where nothing is given to an impossible class."""
    impossible = (z == -torch.inf) & (_weighted(rows.target, first, last, weights, z.dtype) == 0)
    slopes = (z - rows.logsumexp.unsqueeze(1)).mul_(rows.b.unsqueeze(1))
    return (slopes if weights is None else slopes * weights).masked_fill_(impossible, 0.0)


def _slopes(z, rows, first, last, weights, soft_cap, memory):
    """(N, K, P) gradients of the products, in their dtype; with one position times the sign of f. Overwrites z."""
    dtype = rows.input.dtype
    slope = None if soft_cap is None else slope_of_cap(z, soft_cap)
    tile = z.sub_(rows.shift.unsqueeze(1))
    single = rows.sign.shape[1] == 1
    if rows.at_label is not None and rows.c is None and slope is None and single:
        tile = _exponentials(tile, dtype, memory)
    else:
        tile = tile.exp_()
        if rows.at_label is None:
            tile.addcmul_(_weighted(rows.target, first, last, weights, z.dtype), (rows.b * rows.sign).unsqueeze(1))
        if rows.c is not None:
            constant = (rows.c * rows.sign).unsqueeze(1)
            tile.add_(constant if weights is None else constant * weights)
        if slope is not None:
            tile.mul_(slope)
    if rows.at_label is not None:
        index, inside = index_in(rows.target, first, last)
        there = tile.gather(1, index).squeeze(1)
        tile.scatter_(1, index, torch.where(inside, rows.at_label.to(tile.dtype), there).unsqueeze(1))
    return (tile if single else tile.mul_(rows.sign.unsqueeze(1))).to(dtype)


def _exponentials(z, dtype, memory):
    """exp(z) in `dtype`, in one pass where the device converts on the way."""
    if z.dtype != dtype and has_fused_rows(z):
        return torch.exp(z, out=memory.array("slopes", tuple(z.shape), z, dtype))
    return z.exp_().to(dtype)


def _add_product(sums, left, right):
    """Add left @ right to sums in place; the sums of half precision are in float32."""
    if sums.dtype == left.dtype:
        sums.addmm_(left, right)
    elif has_wide_products(left):
        add_wide_product(sums, left, right)
    else:
        sums.add_(left @ right)
