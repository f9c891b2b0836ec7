"""Class labels as tensors: numbers as they are, names as one run of UTF-8 bytes with offsets."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_names

_NUMBERS = "classes"
_TEXT = "classes.utf8"
_OFFSETS = "classes.offsets"
# What stands before the same names where the labels are those of features.
FEATURE_NAMES = "features."
# The names of the tensors that hold class labels.
CLASS_TENSORS = (_NUMBERS, _TEXT, _OFFSETS)


def encode_classes(classes: ArrayLike) -> dict[str, NDArray[Any]]:
    """Class labels (K,) as tensors that `decode_classes` turns back into the same labels.

    Ten million names take their UTF-8 bytes and 8 bytes each; no JSON, no pickle.

    Args:
      classes: (K,) integers, floats, booleans or str; an object array may hold str alone.
    Returns: dict of tensors: {"classes": (K,)} for numbers, in their dtype, or {"classes.utf8": (B,) uint8,
      "classes.offsets": (K + 1,) int64} for names.
    Raises: TypeError for labels of any other kind; ValueError if they are not one-dimensional or a name holds half a
      surrogate pair, which UTF-8 cannot hold.
    """
    classes = np.asarray(classes)
    if classes.ndim != 1:
        raise ValueError(f"classes: shape is {classes.shape}, expected (K,), one label for each class.")
    if classes.dtype.kind in "biuf" and classes.dtype.itemsize <= 8:
        return {_NUMBERS: np.ascontiguousarray(classes, dtype=classes.dtype.newbyteorder("="))}
    return _encode_text(_as_text(classes))


def decode_classes(tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The class labels (K,) that `encode_classes` wrote into `tensors`; other tensors are not looked at.

    Returns: (K,) array in the dtype that was written; names come back as `as_names` puts them.
    Raises: ValueError if the tensors are missing or do not belong together.
    """
    if _NUMBERS in tensors:
        classes = tensors[_NUMBERS]
        if classes.ndim != 1:
            raise ValueError(f"tensor {_NUMBERS}: shape is {classes.shape}, expected (K,), one label for each class.")
        return classes
    missing = [name for name in (_TEXT, _OFFSETS) if name not in tensors]
    if missing:
        raise ValueError(f"tensor {missing[0]}: missing, expected the class labels; save the model again.")
    return _decode_text(tensors[_TEXT], tensors[_OFFSETS])


def _as_text(classes):
    """The labels as a list of str."""
    if classes.dtype.kind == "U":
        return classes.tolist()
    if classes.dtype.kind in "OT":
        names = classes.tolist()
        for index, name in enumerate(names):
            if not isinstance(name, str):
                raise TypeError(
                    f"classes: class {index} is {name!r} of type {type(name).__name__}, expected str like the others, "
                    "or a numeric array; convert the labels to one type before fitting."
                )
        return names
    raise TypeError(f"classes: dtype is {classes.dtype}, expected integers, floats up to 64 bits, booleans or str.")


def _encode_text(names):
    encoded = []
    for index, name in enumerate(names):
        try:
            encoded.append(name.encode())
        except UnicodeEncodeError:
            raise ValueError(
                f"classes: class {index} is {name!r}, expected text that UTF-8 can hold; rename the class."
            ) from None
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return {_TEXT: np.frombuffer(b"".join(encoded), np.uint8), _OFFSETS: offsets}


def _decode_text(data, offsets):
    if data.dtype != np.uint8 or offsets.dtype != np.int64 or data.ndim != 1 or offsets.ndim != 1 or not len(offsets):
        raise ValueError(
            f"tensor {_TEXT}: {data.dtype} {data.shape} with offsets {offsets.dtype} {offsets.shape}, "
            "expected (B,) uint8 and (K + 1,) int64."
        )
    if offsets[0] != 0 or offsets[-1] != len(data) or (np.diff(offsets) < 0).any():
        raise ValueError(f"tensor {_OFFSETS}: expected offsets that rise from 0 to {len(data)}, the length of {_TEXT}.")
    text, edges = data.tobytes(), offsets.tolist()
    try:
        names = [text[begin:end].decode() for begin, end in pairwise(edges)]
    except UnicodeDecodeError as failure:
        raise ValueError(f"tensor {_TEXT}: {failure.reason}, expected names in UTF-8; save the model again.") from None
    return as_names(names)
