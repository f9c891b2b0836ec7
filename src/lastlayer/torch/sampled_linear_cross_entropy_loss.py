"""SampledLinearCrossEntropyLoss: a linear head that is trained on sampled classes and evaluated on all of them."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.samplers import Candidates, InBatch, Sampler, Uniform
from lastlayer.torch._arguments import checked_ignore_index, checked_reduction, refuse_arrays
from lastlayer.torch._sampled_logits import reduced_rows
from lastlayer.torch._sampled_loss import sampled_loss
from lastlayer.torch._streamed_top_k import TopK, streamed_top_k
from lastlayer.torch.candidates import AnyCandidates, outside_the_graph
from lastlayer.torch.linear_cross_entropy import linear_cross_entropy
from lastlayer.torch.sampled_cross_entropy import SAMPLED_SOFTMAX


class SampledLinearCrossEntropyLoss(torch.nn.Module):
    """A linear head and its loss: in training over true classes and sampled ones, in evaluation over all classes.

    In training each call draws candidates on the CPU, one set for the batch, and gives `sampled_cross_entropy`; what a
    step costs does not depend on K, with sparse gradients and an optimizer that takes them (torch.optim.SGD,
    SparseAdam). In evaluation it gives the cross-entropy of the full softmax, and `top_k` exact probabilities. So the
    loss of evaluation lies above that of training on the same rows, the further the fewer the candidates.

    The parameters are those of torch.nn.LinearCrossEntropyLoss, linear.weight (K, D) and linear.bias (K,), and its
    state loads here. The state of this module holds that of the sampler too, so that draws go on bit for bit; into
    torch.nn's it loads with strict=False.

    Args:
      in_features: D.
      num_classes: K.
      num_candidates: S, how many classes each call draws; InBatch takes the labels of the batch, and needs none.
      sampler: of lastlayer.samplers, for K classes; None means Uniform. LogUniform is for classes sorted by descending
        frequency, Unigram for counts. A batch of InBatch counts when it is drawn from.
      bias: whether the head has one.
      sparse: whether gradients of the head are sparse tensors.
      remove_accidental_hits: leave out a candidate that is a true class of the example.
      reduction: "mean" over the rows that have a label (0 over none), "sum" or "none".
      ignore_index: what stands for no label.
      device: where the head is.
      dtype: of the head.

    >>> import torch
    >>> head = SampledLinearCrossEntropyLoss(16, 100_000, num_candidates=64)
    >>> head(torch.randn(8, 16), torch.arange(8)).shape
    torch.Size([])
    >>> head.eval().top_k(torch.randn(8, 16), 5).indices.shape
    torch.Size([8, 5])
    """

    sampler: Sampler | InBatch
    num_classes: int
    num_candidates: int | None
    sparse: bool
    remove_accidental_hits: bool
    reduction: str
    ignore_index: int
    linear: torch.nn.Linear

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        num_candidates: int | None = None,
        sampler: Sampler | InBatch | None = None,
        bias: bool = False,
        sparse: bool = False,
        remove_accidental_hits: bool = True,
        reduction: str = "mean",
        ignore_index: int = -100,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.sampler = Uniform(num_classes) if sampler is None else sampler
        if not isinstance(self.sampler, (Sampler, InBatch)):
            raise TypeError(f"sampler: received {type(sampler).__name__}, expected one of lastlayer.samplers.")
        if self.sampler.num_classes != num_classes:
            raise ValueError(f"sampler: is for {self.sampler.num_classes} classes, expected {num_classes}.")
        in_batch = isinstance(self.sampler, InBatch)
        if in_batch != (num_candidates is None):
            expected = "None beside InBatch" if in_batch else "a whole number from 1 on"
            raise ValueError(f"num_candidates: received {num_candidates}, expected {expected}.")
        if num_candidates is not None:
            if isinstance(num_candidates, bool) or not isinstance(num_candidates, int):
                raise TypeError(f"num_candidates: received {num_candidates!r}, expected a whole number from 1 on.")
            if num_candidates < 1:
                raise ValueError(f"num_candidates: received {num_candidates}, expected a whole number from 1 on.")
        self.num_classes, self.num_candidates = num_classes, num_candidates
        self.sparse, self.remove_accidental_hits = sparse, remove_accidental_hits
        self.reduction, self.ignore_index = checked_reduction(reduction), checked_ignore_index(ignore_index)
        self.linear = torch.nn.Linear(in_features, num_classes, bias=bias, device=device, dtype=dtype)

    def forward(
        self, input: torch.Tensor, target: torch.Tensor, candidates: AnyCandidates | None = None
    ) -> torch.Tensor:
        """The loss of (N, D) features against labels (N,), or (N, M) true classes of each example.

        `candidates` takes the place of a draw; in evaluation it is not looked at.
        """
        if not self.training:
            refuse_arrays(input=input, target=target)
            return self._of_all_classes(input, target)
        drawn = outside_the_graph(self._draw, target) if candidates is None else candidates
        return sampled_loss(
            SAMPLED_SOFTMAX,
            input,
            self.linear.weight,
            target,
            drawn,
            self.linear.bias,
            self.remove_accidental_hits,
            self.reduction,
            self.ignore_index,
            sparse=self.sparse,
        )

    def top_k(self, input: torch.Tensor, k: int) -> TopK:
        """The k most probable classes of each row of (N, D) features, and their probabilities over all classes.

        Memory is that of the result and of a few megabytes of logits. Of equal logits the lower index comes first.

        Returns: a named tuple of `indices` (N, k) int64 and `probabilities` (N, k), in descending order.

        Raises: ValueError or TypeError if `k` is not from 1 to K, or a shape does not fit.
        """
        refuse_arrays(input=input)
        return streamed_top_k(input, self.linear.weight, self.linear.bias, k)

    def _draw(self, target) -> AnyCandidates:
        sampler = self.sampler
        if isinstance(sampler, InBatch):
            labels = np.zeros(1, np.int64) if target.is_meta else target.numpy(force=True)
            labels = labels[labels != self.ignore_index]
            if not labels.size:  # nothing to score, and a loss of 0
                return Candidates([0], [0.0], np.zeros_like)
            sampler.update(labels)
            return sampler.sample(labels)
        count: Any = self.num_candidates
        return sampler.sample(count)

    def _of_all_classes(self, input, target):
        head, bias, ignored = self.linear.weight, self.linear.bias, self.ignore_index
        if target.dim() == 1:
            return linear_cross_entropy(
                input, head, target, linear_bias=bias, reduction=self.reduction, ignore_index=ignored
            )
        labels = target.sort(dim=1).values
        exists = labels != ignored
        if labels.shape[1] > 1:
            exists = exists & ~F.pad(labels[:, 1:] == labels[:, :-1], (1, 0))
        losses = [
            linear_cross_entropy(input, head, column, linear_bias=bias, reduction="none", ignore_index=ignored)
            for column in labels.masked_fill(~exists, ignored).unbind(1)
        ]
        number = exists.sum(1)
        each = torch.stack(losses).sum(0) / number.clamp(min=1)
        return reduced_rows(each, number > 0, each.dtype, self.reduction)

    def get_extra_state(self) -> dict[str, Any]:
        """The state of the sampler, which state_dict keeps."""
        return self.sampler.get_state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the draws of a sampler. Raises ValueError if it is that of another."""
        self.sampler.set_state(state)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, *others):
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, *others)
        # That of torch.nn.LinearCrossEntropyLoss has no sampler.
        if f"{prefix}_extra_state" in missing_keys:
            missing_keys.remove(f"{prefix}_extra_state")

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return (
            f"num_candidates={self.num_candidates}, sampler={type(self.sampler).__name__}, sparse={self.sparse}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}"
        )
