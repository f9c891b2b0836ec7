"""LinearCrossEntropyLoss: a linear head and its loss in one module, with the constructor of torch.nn's."""

import math
from typing import TYPE_CHECKING, Any

import torch

from lastlayer.torch._linear_head import checked_soft_cap, checked_z_loss
from lastlayer.torch.linear_cross_entropy import linear_cross_entropy

if TYPE_CHECKING or hasattr(torch.nn, "LinearCrossEntropyLoss"):
    _LinearCrossEntropyLoss = torch.nn.LinearCrossEntropyLoss
else:

    class _LinearCrossEntropyLoss(torch.nn.modules.loss._WeightedLoss):
        """What PyTorch 2.13 and later have: the same parameters, buffers and attributes."""

        def __init__(
            self,
            in_features,
            num_classes,
            *,
            out_features=(),
            bias=False,
            device=None,
            dtype=None,
            reduction="mean",
            weight=None,
            ignore_index=None,
            label_smoothing=0.0,
            options=None,
        ):
            if weight is not None and weight.shape != (num_classes,):
                raise RuntimeError(f"weight: shape is {tuple(weight.shape)}, expected ({num_classes},).")
            super().__init__(weight=weight, reduction=reduction)
            self.num_classes, self.out_features = num_classes, out_features
            self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
            size = math.prod(out_features, start=num_classes)
            self.linear = torch.nn.Linear(in_features, size, bias=bias, device=device, dtype=dtype)

        def extra_repr(self):
            return (
                f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
                f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
                f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}"
            )


class LinearCrossEntropyLoss(_LinearCrossEntropyLoss):
    """A linear head and the cross-entropy of its logits, in nats, without an array of N x K.

    It is torch.nn.LinearCrossEntropyLoss (where PyTorch is older than 2.13, a module with its parameters and its state)
    whose loss is that of `linear_cross_entropy`, which explains the options. The head is the torch.nn.Linear `linear`.

    Args:
      in_features: D, the size of an example.
      num_classes: K.
      out_features: sizes d_1, ... of a head with more than one loss for an example.
      bias: whether the head has one.
      device: where the head is.
      dtype: of the head.
      reduction: "mean", "sum" or "none".
      weight: (K,) factors for each class.
      ignore_index: the label of examples without loss; None means -100 of labels.
      label_smoothing: the part of the target that is spread evenly over the classes.
      options: torch.nn.LinearCrossEntropyOptions; without effect on the result.
      soft_cap: a number that turns logits into soft_cap tanh(z / soft_cap).
      z_loss: the factor of logsumexp(z)^2 in the loss of each example.

    >>> import torch
    >>> loss = LinearCrossEntropyLoss(5, 1000, soft_cap=30.0)
    >>> loss(torch.zeros(3, 5), torch.tensor([1, 2, 3])).item()  # ln 1000
    6.9077...
    """

    # Named here, they are all that TorchScript looks for.
    soft_cap: float | None
    z_loss: float

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        reduction: str = "mean",
        weight: torch.Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
        soft_cap: float | None = None,
        z_loss: float = 0.0,
    ):
        super().__init__(
            in_features,
            num_classes,
            out_features=out_features,
            bias=bias,
            device=device,
            dtype=dtype,
            reduction=reduction,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            options=options,
        )
        self.soft_cap = checked_soft_cap(soft_cap)
        self.z_loss = checked_z_loss(z_loss)

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of (N, D) or (D,) features against labels, or probabilities in the shape of their logits."""
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
            soft_cap=self.soft_cap,
            z_loss=self.z_loss,
        )

    def extra_repr(self) -> str:
        """What the module is printed with."""
        ours = "" if self.soft_cap is None else f", soft_cap={self.soft_cap}"
        return super().extra_repr() + ours + (f", z_loss={self.z_loss}" if self.z_loss else "")
