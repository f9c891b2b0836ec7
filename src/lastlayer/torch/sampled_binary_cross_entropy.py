"""sampled_binary_cross_entropy of tensors: one sigmoid for each true class and each sampled one."""

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer import losses
from lastlayer.torch._sampled_logits import SampledLogits, reduced_rows
from lastlayer.torch._sampled_loss import SampledLoss, sampled_loss
from lastlayer.torch._tracing import is_recorded, record
from lastlayer.torch.candidates import AnyCandidates


def sampled_binary_cross_entropy(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    candidates: AnyCandidates,
    *,
    linear_bias: torch.Tensor | None = None,
    remove_accidental_hits: bool = True,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> torch.Tensor:
    """Negative sampling: one sigmoid for each true class and each candidate of an example, summed, in nats.

    It is lastlayer.sampled_binary_cross_entropy, which explains it, with the names of linear_cross_entropy.

    Args:
      input: (N, D) features.
      linear_weight: (K, D).
      target: (N,) integers in 0..K-1 or `ignore_index`, whose rows cost 0; or (N, M) true classes of each example,
        where one that stands twice in a row counts once and `ignore_index` is none: a row of nothing else costs what
        its candidates do.
      candidates: of lastlayer.samplers, which are looked up on the CPU, or lastlayer.torch.Candidates of tensors.
      linear_bias: (K,) or None.
      remove_accidental_hits: leave out a candidate that is a true class of the example.
      reduction: "mean" over the rows that are not ignored (0 over none), "sum" or "none".
      ignore_index: what stands for no label.
    Returns: a scalar, or with "none" losses (N,); float32 under autocast, else in the dtype of `input`. Half precision
      is taken to float32 from the logits on.

    Raises:
      ValueError: if shapes do not fit, or a label is never drawn.
      TypeError: if an argument is a NumPy array or of the wrong kind.
      IndexError: if a label is out of range.

    >>> import torch, lastlayer as ll
    >>> drawn = ll.samplers.Candidates([1, 2], [0.0, 0.0], lambda labels: 0.0 * labels)
    >>> sampled_binary_cross_entropy(torch.ones(1, 3), torch.zeros(9, 3), torch.tensor([5]), drawn).item()
    2.079441...
    """
    if is_recorded(input, linear_weight, target, linear_bias):
        options = {"linear_bias": linear_bias, "remove_accidental_hits": remove_accidental_hits}
        options |= {"reduction": reduction, "ignore_index": ignore_index}
        return record(sampled_binary_cross_entropy, input, linear_weight, target, candidates, **options)
    return sampled_loss(
        SAMPLED_SIGMOIDS,
        input,
        linear_weight,
        target,
        candidates,
        linear_bias,
        remove_accidental_hits,
        reduction,
        ignore_index,
    )


def _sigmoid_loss(logits: SampledLogits, reduction: str) -> torch.Tensor:
    of_true = torch.where(logits.exists, F.logsigmoid(logits.true), 0.0).sum(1)
    return reduced_rows(-of_true - F.logsigmoid(-logits.candidates).sum(1), logits.kept, logits.dtype, reduction)


SAMPLED_SIGMOIDS = SampledLoss(
    _sigmoid_loss,
    losses.sampled_binary_cross_entropy,
    losses.sampled_binary_cross_entropy_value_and_grad,
    needs_label=False,
)
