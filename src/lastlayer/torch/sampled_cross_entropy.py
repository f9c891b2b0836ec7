"""sampled_cross_entropy of tensors: the softmax loss over true classes and a sample of the others."""

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer import losses
from lastlayer.torch._sampled_logits import SampledLogits, reduced_rows
from lastlayer.torch._sampled_loss import SampledLoss, sampled_loss
from lastlayer.torch._tracing import is_recorded, record
from lastlayer.torch.candidates import AnyCandidates


def sampled_cross_entropy(
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
    """Sampled softmax: the cross-entropy of a linear head over true classes and candidates alone, in nats.

    It is lastlayer.sampled_cross_entropy, which explains it, with the names of linear_cross_entropy. It is less than
    the cross-entropy while S is small, since the label's logit is corrected too: a loss to learn from, not to compare
    by. Gradients reach the rows of the weights that were scored; they are of the weights' size, as those of an
    embedding, unless the module SampledLinearCrossEntropyLoss is told `sparse=True`. On a CPU the loss and its
    gradients are computed by the same code as for arrays, without an array of all sampled logits, where candidates are
    of a sampler, losses are reduced and tensors are float32 or float64; elsewhere, and differentiated again, they are
    composed of PyTorch's operators.

    Args:
      input: (N, D) features.
      linear_weight: (K, D).
      target: (N,) integers in 0..K-1 or `ignore_index`, or (N, M) true classes of each example, each with the target
        1 / M; one that stands twice in a row counts once, and `ignore_index` is none.
      candidates: of lastlayer.samplers, which are looked up on the CPU, or lastlayer.torch.Candidates of tensors.
      linear_bias: (K,) or None.
      remove_accidental_hits: leave out a candidate that is a true class of the example.
      reduction: "mean" over the rows that have a true class (0 over none), "sum" or "none".
      ignore_index: what stands for no label; a row of nothing else costs 0.
    Returns: a scalar, or with "none" losses (N,); float32 under autocast, else in the dtype of `input`. Half precision
      is taken to float32 from the logits on.

    Raises:
      ValueError: if shapes do not fit, or a label is never drawn.
      TypeError: if an argument is a NumPy array or of the wrong kind.
      IndexError: if a label is out of range.

    >>> import torch, lastlayer as ll
    >>> drawn = ll.samplers.Uniform(1000, random_state=0).sample(4)
    >>> sampled_cross_entropy(torch.ones(2, 3), torch.zeros(1000, 3), torch.tensor([5, 7]), drawn).item()
    1.609437...
    """
    if is_recorded(input, linear_weight, target, linear_bias):
        options = {"linear_bias": linear_bias, "remove_accidental_hits": remove_accidental_hits}
        options |= {"reduction": reduction, "ignore_index": ignore_index}
        return record(sampled_cross_entropy, input, linear_weight, target, candidates, **options)
    return sampled_loss(
        SAMPLED_SOFTMAX,
        input,
        linear_weight,
        target,
        candidates,
        linear_bias,
        remove_accidental_hits,
        reduction,
        ignore_index,
    )


def _softmax_loss(logits: SampledLogits, reduction: str) -> torch.Tensor:
    true = logits.true.masked_fill(~logits.exists, -torch.inf)
    log_p = F.log_softmax(torch.cat([true, logits.candidates], 1), 1)[:, : true.shape[1]]
    # Never 0 times inf, nor in the gradient.
    number = logits.exists.sum(1)
    losses = -torch.where(logits.exists, log_p, 0.0).sum(1) / number.clamp(min=1)
    return reduced_rows(losses, number > 0, logits.dtype, reduction)


SAMPLED_SOFTMAX = SampledLoss(
    _softmax_loss, losses.sampled_cross_entropy, losses.sampled_cross_entropy_value_and_grad, needs_label=True
)
