"""What PyTorch's own checks would read wrongly, or say in a way that does not help: refused in one sentence.

Everything else is left to PyTorch's operators and to their errors. Nothing here looks at a tensor's entries.
"""

import math

import numpy as np
import torch


def refuse_arrays(**arguments: object) -> None:
    """Raise TypeError for a NumPy array among the arguments."""
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            raise TypeError(
                f"{name}: received a numpy.ndarray, expected a torch.Tensor; the same name in lastlayer takes arrays, "
                f"or pass torch.from_numpy({name})."
            )


def checked_beta(beta: object) -> float | torch.Tensor:
    """A tensor as it is, a number as a float > 0. Raises ValueError or TypeError otherwise."""
    if isinstance(beta, torch.Tensor):
        if not beta.is_floating_point():
            raise TypeError(f"beta: dtype is {beta.dtype}, expected a floating-point tensor.")
        return beta
    if isinstance(beta, np.floating):
        beta = float(beta)
    if isinstance(beta, bool) or not isinstance(beta, (int, float)):
        raise TypeError(f"beta: received {beta!r}, expected a number greater than 0, or a tensor.")
    # Comparisons alone: torch.compile knows them of a number that it does not fix.
    if not 0 < beta < math.inf:
        raise ValueError(f"beta: received {beta!r}, expected a finite number greater than 0.")
    return float(beta)


def checked_smoothing(label_smoothing: object) -> float:
    """label_smoothing as a float. Raises TypeError or ValueError unless it is a number from 0 to 1."""
    if type(label_smoothing) is float and 0.0 <= label_smoothing <= 1.0:
        return label_smoothing
    if isinstance(label_smoothing, np.number):
        label_smoothing = label_smoothing.item()
    if isinstance(label_smoothing, bool) or not isinstance(label_smoothing, (int, float)):
        raise TypeError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    return float(label_smoothing)


def checked_ignore_index(ignore_index: object) -> int:
    """ignore_index as an int. Raises TypeError otherwise: PyTorch's positions had size_average and reduce before it."""
    if type(ignore_index) is int:
        return ignore_index
    if isinstance(ignore_index, np.integer):
        ignore_index = int(ignore_index)
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, (int, torch.SymInt)):
        raise TypeError(
            f"ignore_index: received {ignore_index!r}, expected an integer; size_average and reduce, which PyTorch "
            "deprecated, have no position here: pass ignore_index and reduction by keyword."
        )
    return ignore_index  # pyright: ignore[reportReturnType]


def checked_reduction(reduction: object) -> str:
    """Raise ValueError unless it is one of PyTorch's."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction: received {reduction!r}, expected one of 'mean', 'sum', 'none'.")
    return reduction
