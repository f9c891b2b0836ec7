"""Class names to class indices, for whole columns of labels at once."""

import numpy as np

from lastlayer._arrays import refuse_foreign


class ClassIndex:
    """The indices of `classes`, looked up by sorting once: O(K log K) to build, O(N log K) for N labels."""

    def __init__(self, classes):
        """Take (K,) distinct names, integers, finite floats or booleans, in the order of the probability columns."""
        self.classes = _as_names(classes, "classes")
        self._order = np.argsort(self.classes, kind="stable")
        self._sorted = self.classes[self._order]
        twice = self._sorted[1:] == self._sorted[:-1]
        if twice.any():
            first, second = self._order[twice.argmax() :][:2]
            raise ValueError(
                f"classes: {self.classes[first].item()!r} stands at {first} and at {second}, expected each class once."
            )

    def knows(self, labels):
        """Whether each of (N,) labels is a class: (N,) booleans; a number is never a name."""
        labels = _as_names(labels, "labels")
        if (labels.dtype.kind == "U") != (self.classes.dtype.kind == "U"):
            return np.zeros(len(labels), bool)
        return self._sorted[self._place(labels)] == labels

    def find(self, labels):
        """The (N,) int64 class indices of (N,) labels.

        Raises: TypeError if labels are names and classes are numbers, or the other way round; ValueError if a label is
          no class, naming the first such row.
        """
        labels = _as_names(labels, "labels")
        if (labels.dtype.kind == "U") != (self.classes.dtype.kind == "U"):
            raise TypeError(
                f"labels: dtype is {labels.dtype}, but classes are {self.classes.dtype}; convert one to the other."
            )
        place = self._place(labels)
        unknown = self._sorted[place] != labels
        if unknown.any():
            row = int(unknown.argmax())
            raise ValueError(
                f"labels: row {row} is {labels[row].item()!r}, which is none of the {len(self.classes)} classes "
                f"({int(unknown.sum())} such rows); drop these rows, or evaluate with a head that knows the class."
            )
        return self._order[place]

    def _place(self, labels):
        return np.minimum(np.searchsorted(self._sorted, labels), len(self._sorted) - 1)


def _as_names(values, name):
    refuse_foreign(values, name)
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape is {array.shape}, expected one dimension.")
    if not array.size and name == "classes":
        raise ValueError("classes: there are none, expected the name of each column of probabilities.")
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array):
        array = array.astype(str)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name}: dtype is {array.dtype}, expected all names, all numbers or all booleans.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.isfinite(array).argmin())
        raise ValueError(f"{name}: entry {row} is {array[row]}, expected a finite number.")
    return array
