"""A fitted head as a torch.nn.Linear with its temperature, and the numbers of such a module."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lastlayer.estimators.head_rows import head_rows
from lastlayer.torch.temperature_scaling import TemperatureScaling


def linear_module(model: Any) -> torch.nn.Sequential:
    """A module from features (N, D) to the logits (N, K) of a fitted head, a column for each of its classes.

    Of a SoftmaxClassifier it is Linear and TemperatureScaling, and predict_proba is its softmax; of two classes the
    first has the logit 0. Of a SigmoidClassifier it is Linear alone, with each label's beta and bias multiplied in, and
    predict_proba is its sigmoid.

    Raises: NotFittedError.
    """
    rows = head_rows(model)
    if rows.link == "softmax":
        beta = torch.tensor(float(rows.beta), dtype=torch.from_numpy(rows.weight[:0]).dtype)
        return torch.nn.Sequential(_linear(rows.weight, rows.bias), TemperatureScaling(beta))
    bias = rows.beta * rows.bias if rows.shift is None else rows.beta * rows.bias + rows.shift
    return torch.nn.Sequential(_linear(rows.beta[:, None] * rows.weight, bias, rows.weight.dtype))


def _linear(weight, bias, dtype=None):
    """The module of copies of these arrays, in `dtype` or their own."""
    weight, bias = (torch.from_numpy(np.array(array, dtype)) for array in (weight, bias))
    num_classes, num_features = weight.shape
    linear = torch.nn.utils.skip_init(torch.nn.Linear, num_features, num_classes, dtype=weight.dtype)
    linear.weight, linear.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    return linear


def linear_arrays(module: object) -> tuple[NDArray[Any], NDArray[Any] | None, float]:
    """Copies of the weight and the bias of a torch.nn.Linear, and beta where a TemperatureScaling follows it.

    Half precision becomes float32; a Linear without bias has None.

    Args:
      module: a torch.nn.Linear, on any device, or a torch.nn.Sequential of one and, maybe, a TemperatureScaling.
    Raises: TypeError for any other module; ValueError for one without numbers.
    """
    parts = list(module) if isinstance(module, torch.nn.Sequential) else [module]
    linear, *others = parts or [None]
    scalings = [other for other in others if isinstance(other, TemperatureScaling)]
    # A subclass may compute something else than a product.
    if (
        not isinstance(linear, torch.nn.Linear)
        or type(linear).forward is not torch.nn.Linear.forward
        or len(others) > 1
        or len(scalings) < len(others)
    ):
        found = f"a Sequential of {', '.join(_name(part) for part in parts)}" if parts != [module] else _name(module)
        raise TypeError(
            f"linear: received {found}, expected a torch.nn.Linear, or a torch.nn.Sequential of one and a "
            "lastlayer.torch.TemperatureScaling; pass the last layer of the network."
        )
    if linear.weight.is_meta or isinstance(linear.weight, torch.nn.UninitializedParameter):
        raise ValueError("linear: has no numbers yet, expected weights; load or fit them first.")
    if not linear.weight.is_floating_point():
        raise TypeError(f"linear: weights are {linear.weight.dtype}, expected a floating-point dtype.")
    bias: torch.Tensor | None = linear.bias
    return _array(linear.weight), None if bias is None else _array(bias), scalings[0].beta.item() if scalings else 1.0


def _name(value):
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"


def _array(tensor):
    tensor = tensor.detach()
    return np.array((tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).numpy(force=True))
