"""ShardedLinearCrossEntropyLoss: a linear head whose classes are spread over processes, and its loss."""

import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch.compiler import is_compiling

from lastlayer.samplers import AllClassesWarning
from lastlayer.torch._agreement import check_alike, check_labels, of_first
from lastlayer.torch._arguments import checked_ignore_index, checked_reduction, checked_smoothing, refuse_arrays
from lastlayer.torch._class_shard import ClassShard, check_mesh, class_shard
from lastlayer.torch._linear_head import cast_head, checked_soft_cap, checked_z_loss, may_look_at
from lastlayer.torch._linear_log_probabilities import losses_of
from lastlayer.torch._logit_tiles import Head, is_autocast
from lastlayer.torch._sharded_log_probabilities import sharded_log_probabilities
from lastlayer.torch._sharded_sampled_loss import drawn_candidates, sharded_sampled_losses
from lastlayer.torch._sharded_top_k import sharded_top_k
from lastlayer.torch._spread_linear import (
    fill_linear,
    gathered_linear,
    is_spread,
    rows_of,
    spread_linear,
    spread_state,
)
from lastlayer.torch._streamed_top_k import TopK, check_top_k
from lastlayer.torch.candidates import outside_the_graph
from lastlayer.torch.nll import reduced

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


class ShardedLinearCrossEntropyLoss(torch.nn.Module):
    """A linear head whose classes are spread over processes, and the cross-entropy of its logits, in nats.

    Each of R processes holds ceil(K / R) of the K classes (the last ones fewer, or none), sees all rows, and gets the
    loss and the gradients that LinearCrossEntropyLoss gives where one process holds all. It makes a tile of logits at a
    time, never N x K / R. Forward is two collectives, of N and 2 N numbers (3 N with label smoothing), besides one of
    three numbers by which the processes agree on their labels; backward is one, of the features' gradient (N, D), in
    float32 at least. Making the module, calling it, `top_k` and `gathered` are done by all processes together.

    **Rows are alike on all processes of the mesh;** labels that differ are refused. With data parallelism, gather them
    first: DTensor.from_local(features, mesh, [Shard(0)]).full_tensor(grad_placements=[Partial()]), whose gradient is
    summed over processes, as the mean of DistributedDataParallel wants it. Or pass one dimension of a larger mesh,
    mesh["classes"], along which rows are alike; FSDP's fully_shard over another dimension averages the gradients.

    The parameters are those of torch.nn.LinearCrossEntropyLoss, linear.weight (K, D) and linear.bias (K,), as DTensors
    with Shard(0): optimizers take them, torch.distributed.checkpoint saves them on R processes and loads them on any
    other number, and a state of ordinary tensors, that of torch.nn's, loads here. They start from the distribution of
    torch.nn.Linear, from a seed that torch.manual_seed of the first process decides, alike for any number of processes.

    With `num_candidates` the loss is, in training, a sampled softmax: each process draws its part of S candidates,
    uniformly and distinct, out of its classes (An et al. 2021, Partial FC) and logits are corrected by the logarithm of
    how often their class is expected to be drawn, those of labels too: it is sampled_cross_entropy. The gradient of
    the weights is of their size. In evaluation it is the full softmax.

    Args:
      in_features: D.
      num_classes: K.
      mesh: of one dimension; its device is where the head is.
      bias: whether the head has one.
      device: where the head is, of the mesh's kind; None means the current one.
      dtype: of the head.
      reduction: "mean" over the summed weights of the labels that are kept (0 over none), "sum" or "none".
      weight: (K,) factors >= 0 for each class, all of them on every process; None means 1.
      ignore_index: the label of examples without loss; None means -100.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      soft_cap: a number that turns logits into soft_cap tanh(z / soft_cap).
      z_loss: the factor of logsumexp(z)^2 in the loss of each example.
      num_candidates: S, how many classes are drawn for a call in training, by all processes together, at least one of
        each; None means all classes. Goes with neither label smoothing, nor a soft cap, nor a z loss.

    The attribute classes_here is the range of classes that this process holds, maybe an empty one.

    Raises: ValueError or TypeError if an option does not fit, or sizes differ between processes.

    >>> import tempfile, torch
    >>> from torch.distributed import device_mesh, destroy_process_group, init_process_group
    >>> init_process_group("gloo", init_method=f"file://{tempfile.mkdtemp()}/store", rank=0, world_size=1)
    >>> loss = ShardedLinearCrossEntropyLoss(5, 1000, device_mesh.init_device_mesh("cpu", (1,)))
    >>> loss(torch.zeros(3, 5), torch.tensor([1, 2, 3])).item()  # ln 1000
    6.9077...
    >>> destroy_process_group()
    """

    in_features: int
    num_classes: int
    mesh: "DeviceMesh"
    classes_here: range
    linear: torch.nn.Linear
    weight: torch.Tensor | None
    reduction: str
    ignore_index: int | None
    label_smoothing: float
    soft_cap: float | None
    z_loss: float
    num_candidates: int | None
    draws: torch.Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        mesh: "DeviceMesh",
        *,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        reduction: str = "mean",
        weight: torch.Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        soft_cap: float | None = None,
        z_loss: float = 0.0,
        num_candidates: int | None = None,
    ):
        super().__init__()
        check_mesh(mesh)
        self.in_features = _checked_size("in_features", in_features)
        self.num_classes = _checked_size("num_classes", num_classes)
        self.num_candidates = None if num_candidates is None else _checked_size("num_candidates", num_candidates)
        self.reduction = checked_reduction(reduction)
        self.ignore_index = None if ignore_index is None else checked_ignore_index(ignore_index)
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.soft_cap, self.z_loss = checked_soft_cap(soft_cap), checked_z_loss(z_loss)
        if num_candidates is not None:
            for name, none in (("label_smoothing", 0.0), ("soft_cap", None), ("z_loss", 0.0)):
                if getattr(self, name) != none:
                    raise ValueError(f"{name}: received {getattr(self, name)} beside num_candidates, expected {none}.")
        refuse_arrays(weight=weight)
        if weight is not None and weight.shape != (num_classes,):
            raise ValueError(f"weight: shape is {tuple(weight.shape)}, expected ({num_classes},), one for each class.")
        where = torch.device(mesh.device_type if device is None else device)
        if where.type not in (mesh.device_type, "meta"):
            raise ValueError(f"device: received {where}, expected one of the mesh's kind, {mesh.device_type}.")

        self.mesh, shard = mesh, class_shard(mesh, num_classes)
        self.classes_here = range(shard.first, shard.last)
        check_alike(
            {
                "in_features": in_features,
                "num_classes": num_classes,
                "bias": int(bias),
                "num_candidates": num_candidates or 0,
            },
            torch.device(mesh.device_type),
            mesh.get_group(),
        )
        self.linear = spread_linear(in_features, self._shard, mesh, bias=bias, device=where, dtype=dtype)
        self.register_buffer("weight", None if weight is None else weight.detach().to(where))
        if num_candidates is not None:
            # The seed and the number of draws: what goes on is the same on as many processes, and as good on others.
            self.register_buffer("draws", torch.zeros(2, dtype=torch.int64, device=where))
            if num_candidates >= num_classes:
                warnings.warn(
                    f"num_candidates: received {num_candidates} for {num_classes} classes, so every class is taken "
                    "once: a full softmax.",
                    AllClassesWarning,
                    stacklevel=2,
                )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the head anew, as torch.nn.Linear does, on all processes together."""
        if self.linear.weight.is_meta:
            return
        seed = int(torch.randint(1 << 62, (), device="cpu"))
        seed = of_first(seed, torch.device(self.mesh.device_type), self.mesh.get_group())
        fill_linear(self.linear, self._shard, seed)
        if self.num_candidates is not None:
            self.draws.copy_(torch.tensor([seed, 0]))

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of (N, D) or (D,) features against labels (N,) or (), alike on all processes.

        Returns: a scalar, or with "none" losses (N,) or (); in the dtype of `input`, float32 under autocast.

        Raises: on all processes.
          ValueError: if shapes do not fit, or labels differ between processes.
          TypeError: if an argument is a NumPy array or a DTensor, or dtypes do not fit.
          IndexError: if a label is out of range.
        """
        # Its collectives, and DTensors inside an autograd function, are nothing that torch.compile records.
        return outside_the_graph(self._loss, input, target) if is_compiling() else self._loss(input, target)

    def _loss(self, input, target):
        rows, head = self._rows_and_head(input)
        refuse_arrays(target=target)
        if target.is_floating_point():
            raise TypeError(f"target: dtype is {target.dtype}, expected integers, the labels.")
        if target.shape != input.shape[:-1]:
            raise ValueError(
                f"target: shape is {tuple(target.shape)}, expected labels of shape {tuple(input.shape[:-1])}."
            )
        if target.device != rows.device:
            raise ValueError(f"target: is on {target.device}, expected {rows.device}, where the features are.")
        labels = target.long().reshape(-1)
        ignored = -100 if self.ignore_index is None else self.ignore_index
        kept = labels != ignored
        if not may_look_at(labels):
            wrong = kept & ((labels < 0) | (labels >= self.num_classes))
            losses = self._losses(rows, head, labels.masked_fill(~kept | wrong, 0))
            losses = losses.masked_fill(wrong, math.nan).masked_fill(~kept, 0.0)
        elif check_labels(labels, kept, self.num_classes, self.mesh.get_group()):
            losses = self._losses(rows, head, labels)
        else:
            indices = kept.nonzero().squeeze(1)
            losses = self._losses(rows.index_select(0, indices), head, labels[indices])
            losses = losses.new_zeros(labels.shape).index_copy(0, indices, losses)
        result = reduced(
            losses.reshape(target.shape), labels.reshape(target.shape), self.weight, ignored, self.reduction
        )
        return result if is_autocast(input) else result.to(input.dtype)

    def top_k(self, input: torch.Tensor, k: int) -> TopK:
        """The k most probable classes of each row of (N, D) features, and their probabilities over all classes.

        Each process finds its own k and all see all of them. Of equal logits the lower index comes first.

        Returns: a named tuple of `indices` (N, k) int64 and `probabilities` (N, k), in descending order.

        Raises: ValueError or TypeError if `k` is not from 1 to K, or a shape does not fit.
        """
        refuse_arrays(input=input)
        check_top_k(input, self.num_classes, self.in_features, k)
        rows, head = self._rows_and_head(input)
        shards = [class_shard(self.mesh, self.num_classes, process) for process in range(self.mesh.size())]
        with torch.no_grad():
            found = sharded_top_k(rows, head, k, shards, self.mesh.get_local_rank())
        return found._replace(probabilities=found.probabilities.to(input.dtype))

    def gathered(self) -> torch.nn.Linear:
        """A torch.nn.Linear of all classes on every process, a copy: what SoftmaxClassifier.from_torch takes.

        Logits are those before a soft cap.
        """
        return gathered_linear(self.linear)

    @property
    def _shard(self):
        """What this process holds; it is not kept, since a group of processes cannot be copied."""
        here = self.classes_here
        return ClassShard(here.start, here.stop, self.num_classes, self.mesh.get_group())

    def _rows_and_head(self, input):
        """The rows (N, D) of features and the shard's part of the head, cast as autocast would."""
        refuse_arrays(input=input)
        if is_spread(input):
            raise TypeError("input: received a DTensor, expected the rows as a tensor; pass input.to_local().")
        if input.dim() not in (1, 2) or input.shape[-1] != self.in_features:
            raise ValueError(
                f"input: shape is {tuple(input.shape)}, expected (N, {self.in_features}) or ({self.in_features},)."
            )
        weight, bias = rows_of(self.linear.weight), None if self.linear.bias is None else rows_of(self.linear.bias)
        if input.device != weight.device:
            raise ValueError(f"input: is on {input.device}, expected {weight.device}, where the head is.")
        return cast_head(input if input.dim() == 2 else input.unsqueeze(0), Head(weight, bias, 1, self.soft_cap))

    def _losses(self, rows, head, labels):
        """Losses (N,) against labels, none of them ignored."""
        shard, weight, smoothing = self._shard, self.weight, self.label_smoothing
        if self.num_candidates is not None and self.training:
            candidates = drawn_candidates(self.draws, self.num_candidates, shard)
            losses = sharded_sampled_losses(rows, head, labels, candidates, shard)
            if weight is not None:
                of_label = weight.to(losses.dtype)[labels]
                losses = losses.masked_fill(of_label == 0, 0.0) * of_label  # never 0 times inf
            return losses
        target = labels.unsqueeze(1)
        log_p = sharded_log_probabilities(rows, head, target, weight, shard, all_classes=smoothing > 0.0)
        return losses_of(log_p, self.num_classes, target, weight, smoothing, self.z_loss).squeeze(1)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, *others):
        spread_state(state_dict, f"{prefix}linear.", self.linear, self._shard, self.mesh)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, *others)
        # That of torch.nn.LinearCrossEntropyLoss has no draws.
        if f"{prefix}draws" in missing_keys:
            missing_keys.remove(f"{prefix}draws")

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return (
            f"num_classes={self.num_classes}, classes_here={self.classes_here}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, "
            f"soft_cap={self.soft_cap}, z_loss={self.z_loss}, num_candidates={self.num_candidates}"
        )


def _checked_size(name, value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: received {value!r}, expected a whole number from 1 on.")
    if value < 1:
        raise ValueError(f"{name}: received {value}, expected a whole number from 1 on.")
    return value
