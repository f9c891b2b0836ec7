"""Thresholds of probabilities, checked: one number, or one for each class."""

from typing import Any, Literal

import numpy as np

from lastlayer._arrays import as_float_array


def as_threshold(threshold: Any, name: str = "threshold", *, largest: float = 1.0) -> Any:
    """A threshold as a float, or several as a read-only float64 array.

    Raises: ValueError unless each is from 0 to 1, or to `largest`, naming the first that is not; TypeError for what is
      no number.
    """
    if isinstance(threshold, (bool, np.bool_)):
        raise TypeError(f"{name}: received {threshold!r}, expected a number from 0 to 1.")
    values = np.array(as_float_array(threshold, name), np.float64)
    outside = ~((values >= 0) & (values <= largest))
    if outside.any():
        place = np.unravel_index(int(outside.argmax()), values.shape)
        subject = f"class {int(place[-1])} has " if values.ndim else "received "
        raise ValueError(f"{name}: {subject}{values[place]:.6g}, expected a number from 0 to 1.")
    values.setflags(write=False)
    return values if values.ndim else float(values)


def one_or_each(threshold: Any, of: Literal["class", "label"]) -> Any:
    """`as_threshold` of one threshold, or of (K,), one for each class or label. Raises ValueError for another shape."""
    checked = as_threshold(threshold)
    if np.ndim(checked) > 1 or not np.size(checked):
        raise ValueError(f"threshold: shape is {checked.shape}, expected one number, or (K,), one for each {of}.")
    return checked
