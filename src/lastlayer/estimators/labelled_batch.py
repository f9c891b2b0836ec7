"""What `partial_fit` is given, checked: the classes of all batches, and the rows of one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_sample_weight
from lastlayer._sorted_classes import sorted_classes
from lastlayer.estimators.class_weight import ClassWeight, class_factors
from lastlayer.estimators.labelled_rows import plain
from lastlayer.metrics import ClassIndex


class LabelledBatch(NamedTuple):
    """features: (n, D) array or CSR. labels: (n,) int64. weight: (n,) float64, of samples times classes."""

    features: Any
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]


def online_classes(classes: ArrayLike | None, known: NDArray[Any] | None) -> NDArray[Any]:
    """The sorted classes of all batches: those of earlier calls, or those given at the first.

    Raises: ValueError if the first call has none, or a later one others.
    """
    if classes is None:
        if known is None:
            # In scikit-learn's words, which its checks look for.
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return known
    found, _ = sorted_classes(np.asarray(classes))
    if len(found) < 2:
        raise ValueError(f"classes: received {len(found)}, expected at least two; pass all labels that there will be.")
    if known is not None and not np.array_equal(found, known):
        raise ValueError(
            f"classes: received {len(found)}, but the head has {len(known)} others or more or fewer, expected the same "
            "in each call; leave `classes` out, or begin a new estimator."
        )
    return found


def labelled_batch(
    features: Any,
    targets: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight,
) -> LabelledBatch:
    """The rows of one batch, from features and labels that scikit-learn has checked.

    Raises: ValueError, in one sentence, for a label that is no class, and for a class_weight of "balanced".
    """
    if isinstance(class_weight, str):
        raise ValueError(
            f"class_weight: received {class_weight!r}, which needs all rows at once, expected None or a dict of "
            "factors for partial_fit."
        )
    index = ClassIndex(classes)
    known = index.knows(targets)
    if not known.all():
        row = int(known.argmin())
        raise ValueError(
            f"y: row {row} is {plain(targets[row])!r}, expected one of the {len(classes)} classes that the first call "
            "was given."
        )
    labels = index.find(targets)
    weight = as_sample_weight(sample_weight, len(targets), some_rows=True)
    weight = np.ones(len(targets)) if weight is None else weight
    if class_weight is not None:
        weight = weight * class_factors(class_weight, classes, labels, weight)[labels]
    return LabelledBatch(features, labels, weight)
