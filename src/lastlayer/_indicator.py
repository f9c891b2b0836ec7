"""Which labels each row has, as a matrix of booleans."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def as_indicator(values: Any, name: str) -> Any:
    """An (N, K) indicator of 0 and 1, dense or sparse, as CSC booleans whose stored entries are the ones.

    Raises: ValueError for another shape or another number, naming the row; TypeError for what is no number.
    """
    given: Any = values if sp.issparse(values) else np.asarray(values)
    if given.ndim != 2 or given.shape[1] < 1:
        raise ValueError(f"{name}: shape is {given.shape}, expected (N, K), a column for each label.")
    if given.dtype.kind not in "biuf":
        raise TypeError(
            f"{name}: dtype is {given.dtype}, expected an indicator of 0 and 1; pass names as lists of labels."
        )
    indicator: Any = sp.csc_array(given)
    indicator.sum_duplicates()
    odd = (indicator.data != 0) & (indicator.data != 1)
    if odd.any():
        entry = int(odd.argmax())
        column = int(np.searchsorted(indicator.indptr, entry, "right")) - 1
        raise ValueError(
            f"{name}: row {int(indicator.indices[entry])} has {indicator.data[entry].item()!r} in column {column}, "
            "expected an indicator of 0 and 1."
        )
    indicator = indicator.astype(bool)
    indicator.eliminate_zeros()
    return indicator


def answers_of_codes(rows: NDArray[np.int64], codes: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """An indicator of this shape as CSC booleans of sorted indices: rows (L,) that have the labels `codes` (L,)."""
    order = np.lexsort((rows, codes))
    starts = np.searchsorted(codes[order], np.arange(shape[1] + 1))
    return sp.csc_array((np.ones(len(rows), bool), rows[order], starts), shape=shape)
