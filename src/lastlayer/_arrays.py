"""What every public function does first: shapes, dtypes and labels, and the wording of what is wrong with them."""

import sys
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

# The dtypes that a result shares with its logits.
Float = TypeVar("Float", bound=np.float16 | np.float32 | np.float64)
Float_co = TypeVar("Float_co", bound=np.float16 | np.float32 | np.float64, covariant=True)
Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
Integer: TypeAlias = int | np.integer[Any]
# One axis, several, or None for all of them.
Axes: TypeAlias = Integer | tuple[Integer, ...] | None


class SparseMatrix(Protocol):
    """Any of SciPy's sparse arrays and matrices, which are not typed."""

    def tocsr(self) -> Any:
        """The same in CSR form."""


Features: TypeAlias = ArrayLike | SparseMatrix
# One number an example: an array, or a NumPy scalar where there is one example. With Any in the union, which typeshed
# does too where a check of every result would be a nuisance, an array needs no such check before it is indexed.
ArrayOrScalar: TypeAlias = NDArray[Float] | Any

# Beyond these, products with beta leave float64.
_SMALLEST_BETA, _LARGEST_BETA = 1e-300, 1e300
# Bytes of a str array that are no matter, however little of it is text, and characters that are too many for each row.
_MOST_PADDING, _LONG_NAME = 1 << 20, 256


def as_float_array(values: ArrayLike, name: str) -> NDArray[np.float32 | np.float64]:
    """`values` as a float32 or float64 array: float16 becomes float32, integers and booleans float64.

    Args:
      values: (...) array-like of numbers.
      name: what the caller calls it, the subject of any error.
    Returns: (...) array, the same memory when no conversion is needed.
    Raises: TypeError if it is a torch tensor, a sparse matrix or holds anything but real numbers.
    """
    refuse_foreign(values, name)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: rows of different lengths, expected a rectangular array of numbers.") from None
    native = array.dtype.newbyteorder("=")
    if native in (np.float32, np.float64):
        return array.astype(native, copy=False)
    if native == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biu" or array.dtype.kind == "f":
        return array.astype(np.float64)
    raise TypeError(f"{name}: dtype is {array.dtype}, expected real numbers; convert with .astype(numpy.float64).")


def refuse_foreign(values: object, name: str) -> None:
    """Raise TypeError for a torch tensor or a sparse matrix, and say what to pass instead."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        raise TypeError(
            f"{name}: received a torch.Tensor, expected a NumPy array; lastlayer.torch takes tensors, or pass "
            f"{name}.numpy(force=True)."
        )
    if hasattr(values, "tocsr"):
        raise TypeError(f"{name}: received a sparse matrix, expected a dense array; pass {name}.toarray().")


def result_dtype(values: ArrayLike) -> np.dtype[Any]:
    """The dtype a result takes: that of float16, float32 and float64 input, float64 for everything else."""
    dtype = np.asarray(values).dtype.newbyteorder("=")
    return dtype if dtype in (np.float16, np.float32, np.float64) else np.dtype(np.float64)


def rounded(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """`array` in `dtype`; what is too large for it is infinite, without a warning."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def class_axis(array: NDArray[Any], axis: Integer, name: str = "logits") -> int:
    """The axis as a number from 0; a scalar counts as one class.

    Raises: TypeError unless it is an integer; ValueError where there is no such axis, or no classes on it.
    """
    if not _is_integer(axis):
        raise TypeError(f"axis: received {axis!r}, expected one integer.")
    return class_axes(array, axis, name)[0]


def class_axes(array: NDArray[Any], axis: Axes, name: str = "logits", *, may_be_empty: bool = False) -> tuple[int, ...]:
    """The axes as numbers from 0, in order: one, those of a tuple or, for None, all; a scalar counts as one class.

    Raises: TypeError unless it is an integer, a tuple of integers or None; ValueError where there is no such axis, or
      one stands twice, or there are no classes along them and they are not `may_be_empty`.
    """
    rank = max(1, array.ndim)
    axes = tuple(range(rank)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        if not _is_integer(one):
            raise TypeError(f"axis: received {axis!r}, expected an integer, a tuple of integers, or None for all axes.")
        if not -rank <= one < rank:
            raise ValueError(f"axis: received {axis}, but {name} have {array.ndim} axes ({-rank} to {rank - 1}).")
    found = tuple(sorted(int(one) % rank for one in axes))
    if len(found) > 1 and len(set(found)) < len(found):
        raise ValueError(f"axis: received {axis}, expected every axis once.")
    if not array.size and not may_be_empty and array.ndim and not all(array.shape[one] for one in found):
        where = f"axis {found[0]}" if len(found) == 1 else f"axes {found}"
        raise ValueError(f"{name}: shape is {array.shape}, expected at least one class along {where}.")
    return found


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_out(out: object, shape: Sequence[int], dtype: DTypeLike) -> None:
    """Raise TypeError unless `out` is an array, and ValueError unless it fits and can be written to."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: received {type(out).__name__}, expected a NumPy array of shape {shape}.")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out: is {out.dtype} of shape {out.shape}, expected {dtype} of shape {shape}, like logits.")
    if not out.flags.writeable:
        raise ValueError("out: is read-only, expected an array that can be written to.")


def without_overlap(array: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
    """`array`, or a copy of it where `out` covers some of its memory and is not, entry for entry, the same array."""
    if not np.may_share_memory(array, out):
        return array
    same = array.ctypes.data == out.ctypes.data and array.strides == out.strides and array.dtype == out.dtype
    return array if same else array.copy()


def named_row(index: Sequence[Integer]) -> str:
    """An index as the subject of an error: "row 3 ", "row (1, 2) ", or nothing where there is only one."""
    return f"row {index[0] if len(index) == 1 else tuple(map(int, index))} " if index else ""


def as_labels(
    labels: ArrayLike,
    num_classes: int,
    shape: Sequence[int],
    *,
    ignore_index: Integer | None = None,
    name: str = "labels",
    scores: str = "logits",
) -> NDArray[np.int64]:
    """`labels` as a contiguous int64 array of `shape`, every entry in 0..num_classes-1 or equal to `ignore_index`.

    `name` and `scores` are what the caller calls the labels and the rows that they belong to.

    Raises: TypeError unless they are integers (or booleans); ValueError on a wrong shape or a label out of range,
      naming the first bad row.
    """
    refuse_foreign(labels, name)
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biu" and labels.size:
        raise TypeError(
            f"{name}: dtype is {labels.dtype}, expected integers from 0 to {num_classes - 1}; "
            "encode the names first, for example with numpy.unique(names, return_inverse=True)."
        )
    if labels.shape != tuple(shape):
        raise ValueError(
            f"{name}: shape is {labels.shape}, expected {tuple(shape)}, one label for each row of {scores}."
        )
    given = labels
    if labels.dtype == np.uint64:  # which wraps around in int64
        labels = np.minimum(labels, np.uint64(np.iinfo(np.int64).max))
    labels = np.ascontiguousarray(labels, dtype=np.int64).reshape(labels.shape)
    if not labels.size or (labels.min() >= 0 and labels.max() < num_classes):
        return labels
    wrong = (labels < 0) | (labels >= num_classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        first = np.unravel_index(int(wrong.argmax()), labels.shape)
        raise ValueError(
            f"{name}: {named_row(first)}is {given[first]}, but {scores} have {num_classes} classes "
            f"(0 to {num_classes - 1})."
        )
    return labels


def as_names(names: list[str]) -> NDArray[Any]:
    """A list of str as an array: of str, or of objects where that would take much more memory or lose characters.

    An array of str, and each one that is picked from it, gives every name the room of the longest, and drops NUL
    characters from its end.
    """
    longest, text = max(map(len, names), default=0), sum(map(len, names))
    wasteful = longest > _LONG_NAME or 4 * len(names) * longest > max(_MOST_PADDING, 16 * text)
    return np.array(names, dtype=object if wasteful or any(name.endswith("\0") for name in names) else str)


def as_sample_weight(
    sample_weight: ArrayLike | None, num_rows: int, *, some_rows: bool = False
) -> NDArray[np.float64] | None:
    """`sample_weight` as an (N,) float64 array; None stays None.

    Raises: ValueError unless finite, non-negative, of length N and, except for `some_rows` of all, not all zero.
    """
    if sample_weight is None:
        return None
    weight = np.ascontiguousarray(as_float_array(sample_weight, "sample_weight"), dtype=np.float64)
    if weight.shape != (num_rows,):
        raise ValueError(f"sample_weight: shape is {weight.shape}, expected ({num_rows},), one weight for each row.")
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"sample_weight: row {row} is {weight[row]}, expected a finite number that is not negative.")
    if num_rows and not some_rows and not weight.any():
        raise ValueError("sample_weight: every weight is zero, expected at least one above it.")
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError("sample_weight: the weights sum to more than float64 holds, expected smaller ones.")
    return weight


def positive_number(value: object, name: str, *, infinite: bool = False) -> float:
    """`value` as a float. Raises ValueError unless it is > 0, and finite unless `infinite`; TypeError if no number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: received {value!r}, expected a number greater than 0.")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name}: received a number beyond float64, expected one greater than 0.") from None
    if not (number > 0 and (infinite or np.isfinite(number))):
        expected = "a number greater than 0, or inf" if infinite else "a finite number greater than 0"
        raise ValueError(f"{name}: received {value!r}, expected {expected}.")
    return number


def positive_integer(value: object, name: str) -> int:
    """`value` as an int. Raises TypeError or ValueError unless it is a whole number of at least 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: received {value!r}, expected a whole number of at least 1.")
    if value < 1:
        raise ValueError(f"{name}: received {value}, expected a whole number of at least 1.")
    return int(value)


def share_between(value: object, name: str) -> float:
    """`value` as a float. Raises ValueError unless it is above 0 and below 1; TypeError if no number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: received {value!r}, expected a number above 0 and below 1.")
    if not 0 < value < 1:
        raise ValueError(f"{name}: received {value!r}, expected a number above 0 and below 1.")
    return float(value)


def true_or_false(value: object, name: str) -> bool:
    """`value` as a bool. Raises TypeError unless it is one, or the number 0 or 1: text would always count as true."""
    if not isinstance(value, (bool, np.bool_, int, float, np.integer, np.floating)) or value not in (0, 1):
        raise TypeError(f"{name}: received {value!r}, expected True or False.")
    return bool(value)


def checked_beta(beta: object) -> float:
    """`beta` as a float. Raises ValueError outside what float64 can compute with, TypeError if it is no number."""
    number = positive_number(beta, "beta")
    if not _SMALLEST_BETA <= number <= _LARGEST_BETA:
        raise ValueError(f"beta: received {number!r}, expected a number from {_SMALLEST_BETA} to {_LARGEST_BETA}.")
    return number
