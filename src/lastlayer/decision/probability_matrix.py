"""What the rules of several labels a row read and answer with: (N, K) probabilities, dense or sparse, and booleans."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import SparseMatrix, as_float_array

# An array where both are possible: SciPy's are not typed.
Probabilities: TypeAlias = ArrayLike | SparseMatrix
LabelMatrix: TypeAlias = Any

# Classes up to which an answer is a dense array of booleans; beyond, it is a CSR array.
LARGEST_DENSE = 4096
# Probabilities that are looked at together, about.
_BLOCK = 1 << 20


def as_probability_matrix(values: Probabilities) -> Any:
    """(N, K) probabilities as a float array, or, where they are sparse, as CSR without duplicates.

    Raises: ValueError for another shape or an entry outside 0 to 1, naming the row; TypeError for what is no number.
    """
    if sp.issparse(values):
        given: Any = sp.csr_array(values)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"probabilities: dtype is {given.dtype}, expected real numbers.")
        given = given.astype(np.float64) if given.dtype not in (np.float32, np.float64) else given
        if not given.has_canonical_format:
            given = given.copy() if given is values else given
            given.sum_duplicates()
        entries = given.data
    else:
        array: Any = values
        given = entries = as_float_array(array, "probabilities")
    if given.ndim != 2 or given.shape[1] == 0:
        raise ValueError(f"probabilities: shape is {given.shape}, expected (N, K), a column for each class.")
    if entries.size and not (entries.min() >= 0 and entries.max() <= 1):
        _refuse(given)
    return given


def _refuse(given):
    if sp.issparse(given):
        entry = int((~((given.data >= 0) & (given.data <= 1))).argmax())
        row = int(np.searchsorted(given.indptr, entry, "right")) - 1
        k, value = int(given.indices[entry]), given.data[entry]
    else:
        row, k = map(int, np.unravel_index(int((~((given >= 0) & (given <= 1))).argmax()), given.shape))
        value = given[row, k]
    raise ValueError(
        f"probabilities: row {row} has {value:.6g} for class {k}, expected numbers from 0 to 1; pass softmax(logits) "
        "or sigmoid(logits) if these are logits."
    )


def selected(shape: tuple[int, int], chosen: Callable[[slice], NDArray[np.bool_]]) -> LabelMatrix:
    """An (N, K) answer made block by block of rows: an array of booleans, or CSR beyond LARGEST_DENSE classes.

    Args:
      shape: N and K.
      chosen: gives the (n, K) booleans of a slice of n rows.
    """
    num_rows, num_classes = shape
    step = max(1, _BLOCK // num_classes)
    parts = [slice(start, min(start + step, num_rows)) for start in range(0, num_rows, step)]
    if num_classes <= LARGEST_DENSE:
        answer = np.empty(shape, bool)
        for part in parts:
            answer[part] = chosen(part)
        return answer
    found = [np.nonzero(chosen(part)) for part in parts]
    counts = [np.bincount(rows, minlength=part.stop - part.start) for part, (rows, _) in zip(parts, found, strict=True)]
    return csr_of_booleans(
        np.concatenate([np.zeros(0, np.int64), *counts]),
        np.concatenate([np.zeros(0, np.int64), *(columns for _, columns in found)]),
        num_classes,
    )


def csr_of_booleans(counts: NDArray[Any], columns: NDArray[Any], num_classes: int) -> LabelMatrix:
    """A CSR array of booleans: `counts` (N,) entries a row, that stand in the `columns` of its true ones."""
    ends = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(counts), num_classes))


def selected_entries(probabilities: Any, kept: NDArray[np.bool_]) -> LabelMatrix:
    """The CSR booleans that are true at the stored entries of CSR `probabilities` which are `kept`, a flag for each."""
    ends = np.concatenate([[0], np.cumsum(kept)])[probabilities.indptr]
    return csr_of_booleans(np.diff(ends), probabilities.indices[kept], probabilities.shape[1])
