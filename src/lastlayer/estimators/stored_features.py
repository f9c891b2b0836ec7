"""Features in a file that are fitted where they are: of other numbers scikit-learn's checks would make a float copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Features that are checked together.
_CHECKED = 1 << 20
# What scikit-learn's validation is to take of stored features: `require_finite` sees to the rest.
AS_STORED: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}


def is_stored(X: object) -> bool:
    """Whether X is a memmap of float16, whole numbers or booleans, of which scikit-learn would make a float copy."""
    return (
        isinstance(X, np.memmap)
        and X.ndim == 2
        and X.dtype.isnative
        and (X.dtype == np.float16 or X.dtype.kind in "iub")
    )


def require_finite(features: NDArray[Any]) -> None:
    """Raise ValueError, naming the first row, unless every number of (N, D) features is finite."""
    if features.dtype.kind != "f":
        return
    step = max(1, _CHECKED // max(1, features.shape[1]))
    for start in range(0, len(features), step):
        finite = np.isfinite(features[start : start + step])
        if not finite.all():
            row, column = np.argwhere(~finite)[0].tolist()
            raise ValueError(
                f"X: row {start + row} is {features[start + row, column]} in column {column}, expected finite numbers; "
                "correct it, or leave the row out."
            )
