"""Class names to class indices, for whole columns of labels at once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_names, refuse_foreign


class ClassIndex:
    """The indices of `classes`, looked up in one pass: names in a dict, numbers by bisection."""

    def __init__(self, classes: ArrayLike):
        """Take (K,) distinct names, integers, finite floats or booleans, in the order of the probability columns."""
        values = _as_labels(classes, "classes")
        self.classes: NDArray[Any]
        self._names: dict[str, int] | None = None
        if isinstance(values, list):
            self.classes = as_names(values)
            self._names = {}
            for k, name in enumerate(values):
                first = self._names.setdefault(name, k)
                if first < k:
                    raise _stands_twice(name, first, k)
            return
        self.classes = values
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]
        twice = self._sorted[1:] == self._sorted[:-1]
        if twice.any():
            first, second = self._order[twice.argmax() :][:2]
            raise _stands_twice(values[first].item(), first, second)

    def knows(self, labels: ArrayLike) -> NDArray[np.bool]:
        """Whether each of (N,) labels is a class: (N,) booleans; a number is never a name."""
        labels = _as_labels(labels, "labels")
        if isinstance(labels, list) != (self._names is not None):
            return np.zeros(len(labels), bool)
        return self._look_up(labels) >= 0

    def find(self, labels: ArrayLike) -> NDArray[np.int64]:
        """The (N,) int64 class indices of (N,) labels.

        Raises: TypeError if labels are names and classes are numbers, or the other way round; ValueError if a label is
          no class, naming the first such row.
        """
        labels = _as_labels(labels, "labels")
        if isinstance(labels, list) != (self._names is not None):
            kind = "names" if isinstance(labels, list) else labels.dtype
            known = self.classes.dtype if self._names is None else "names"
            raise TypeError(f"labels: are {kind}, but classes are {known}; convert one to the other.")
        indices = self._look_up(labels)
        unknown = indices < 0
        if unknown.any():
            row = int(unknown.argmax())
            found = labels[row] if isinstance(labels, list) else labels[row].item()
            raise ValueError(
                f"labels: row {row} is {found!r}, which is none of the {len(self.classes)} classes "
                f"({int(unknown.sum())} such rows); drop these rows, or evaluate with a head that knows the class."
            )
        return indices

    def _look_up(self, labels: list[str] | NDArray[Any]) -> NDArray[np.int64]:
        """The index of each label, -1 where it is no class."""
        if self._names is not None:
            return np.fromiter((self._names.get(label, -1) for label in labels), np.int64, len(labels))
        place = np.minimum(np.searchsorted(self._sorted, labels), len(self._sorted) - 1)
        return np.where(self._sorted[place] == labels, self._order[place], -1)


def _stands_twice(name: object, first: int, second: int) -> ValueError:
    return ValueError(f"classes: {name!r} stands at {first} and at {second}, expected each class once.")


def _as_labels(values: ArrayLike, name: str) -> list[str] | NDArray[Any]:
    """One-dimensional labels: names as a list of str, all else as an array."""
    refuse_foreign(values, name)
    if isinstance(values, list | tuple) and values and all(isinstance(value, str) for value in values):
        return [str(value) for value in values]
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape is {array.shape}, expected one dimension.")
    if not array.size and name == "classes":
        raise ValueError("classes: there are none, expected the name of each column of probabilities.")
    if array.dtype.kind == "U" or (array.dtype.kind in "OT" and all(isinstance(value, str) for value in array)):
        return array.tolist()
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: dtype is {array.dtype}, expected all names, all numbers or all booleans.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.isfinite(array).argmin())
        raise ValueError(f"{name}: entry {row} is {array[row]}, expected a finite number.")
    return array
