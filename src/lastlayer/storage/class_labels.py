"""Class labels as tensors: numbers as they are, names as one run of UTF-8 bytes with offsets."""

import numpy as np

_NUMBERS = "classes"
_TEXT = "classes.utf8"
_OFFSETS = "classes.offsets"


def encode_classes(classes):
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


def decode_classes(tensors):
    """The class labels (K,) that `encode_classes` wrote into `tensors`; other tensors are not looked at.

    Returns: (K,) array in the dtype that was written; names come back as a str array.
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
    if classes.dtype.kind == "U":
        return classes.astype(classes.dtype.newbyteorder("="))
    if classes.dtype.kind in "OT":
        names = classes.tolist()
        for index, name in enumerate(names):
            if not isinstance(name, str):
                raise TypeError(
                    f"classes: class {index} is {name!r} of type {type(name).__name__}, expected str like the others, "
                    "or a numeric array; convert the labels to one type before fitting."
                )
        return np.array(names, dtype=str)
    raise TypeError(f"classes: dtype is {classes.dtype}, expected integers, floats up to 64 bits, booleans or str.")


def _encode_text(names):
    # An array of str is a table of code points, padded with zeros at the right: whole columns of it are measured
    # at once, since a loop over ten million names takes many seconds.
    width = names.dtype.itemsize // 4
    points = np.ascontiguousarray(names).view(np.uint32).reshape(len(names), width)
    kept = np.arange(width) < np.strings.str_len(names)[:, None]
    sizes = np.zeros(len(names), np.int64)
    for column, present in zip(points.T, kept.T, strict=True):
        sizes += present * (1 + (column >= 0x80).astype(np.int64) + (column >= 0x800) + (column >= 0x10000))
    try:
        text = points[kept].tobytes().decode(_native_utf32()).encode("utf-8")
    except UnicodeError:
        index = next(i for i, name in enumerate(names.tolist()) if any("\ud800" <= c <= "\udfff" for c in name))
        raise ValueError(
            f"classes: class {index} is {names[index]!r}, expected text that UTF-8 can hold; rename the class."
        ) from None
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return {_TEXT: np.frombuffer(text, np.uint8), _OFFSETS: offsets}


def _decode_text(data, offsets):
    if data.dtype != np.uint8 or offsets.dtype != np.int64 or data.ndim != 1 or offsets.ndim != 1 or not len(offsets):
        raise ValueError(
            f"tensor {_TEXT}: {data.dtype} {data.shape} with offsets {offsets.dtype} {offsets.shape}, "
            "expected (B,) uint8 and (K + 1,) int64."
        )
    if offsets[0] != 0 or offsets[-1] != len(data) or (np.diff(offsets) < 0).any():
        raise ValueError(f"tensor {_OFFSETS}: expected offsets that rise from 0 to {len(data)}, the length of {_TEXT}.")
    starts = (data & 0xC0) != 0x80  # every byte of UTF-8 but the second to fourth of a character
    inside = offsets[:-1][offsets[:-1] < len(data)]
    try:
        points = np.frombuffer(data.tobytes().decode("utf-8").encode(_native_utf32()), np.uint32)
    except UnicodeError as failure:
        raise ValueError(f"tensor {_TEXT}: {failure}, expected UTF-8 text; save the model again.") from None
    if not starts[inside].all():
        raise ValueError(f"tensor {_OFFSETS}: an offset falls inside a character, expected the start of one.")
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(starts)])[offsets]
    sizes = np.diff(edges)
    width = max(1, int(sizes.max(initial=0)))
    try:
        table = np.zeros((len(sizes), width), np.uint32)
    except (MemoryError, ValueError):
        raise ValueError(
            f"tensor {_TEXT}: {len(sizes)} classes of up to {width} characters do not fit in memory, "
            "expected names of similar length."
        ) from None
    table[np.repeat(np.arange(len(sizes)), sizes), np.arange(len(points)) - np.repeat(edges[:-1], sizes)] = points
    return table.view(f"<U{width}" if np.little_endian else f">U{width}").reshape(len(sizes))


def _native_utf32():
    return "utf-32-le" if np.little_endian else "utf-32-be"
