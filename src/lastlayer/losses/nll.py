"""nll: the loss of given log-probabilities."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, Integer, as_float_array, as_labels, class_axis, result_dtype


@overload
def nll(log_probabilities: NDArray[Float], labels: ArrayLike, *, axis: Integer = -1) -> ArrayOrScalar[Float]: ...
@overload
def nll(log_probabilities: ArrayLike, labels: ArrayLike, *, axis: Integer = -1) -> ArrayOrScalar[np.floating[Any]]: ...
def nll(log_probabilities: ArrayLike, labels: ArrayLike, *, axis: Integer = -1) -> ArrayOrScalar[np.floating[Any]]:
    """Negative log-likelihood -log p[label] of each example, in nats.

    Args:
      log_probabilities: (..., K, ...) log-probabilities.
      labels: integers in 0..K-1, in the shape of `log_probabilities` without the classes.
      axis: the axis of the classes.
    Returns: losses in the shape of `labels`, in the dtype of `log_probabilities` (float64 for integers); a label of
      probability 0 costs +inf.

    Raises:
      ValueError: if there are no classes, `labels` have another shape, or one is out of range (it names the first).
      TypeError: if the labels are not integers.

    >>> import numpy as np
    >>> nll(np.log([[0.25, 0.75], [0.5, 0.5]]), [1, 0]).round(4).tolist()
    [0.2877, 0.6931]
    """
    array = np.atleast_1d(as_float_array(log_probabilities, "log_probabilities"))
    axis = class_axis(array, axis, "log_probabilities")
    examples = array.shape[:axis] + array.shape[axis + 1 :]
    labels = as_labels(labels, array.shape[axis], examples, scores="log_probabilities")
    # 0 - x rather than -x: a certain right answer costs 0, not -0.
    losses = 0.0 - np.take_along_axis(array, np.expand_dims(labels, axis), axis).squeeze(axis)
    return losses.astype(result_dtype(log_probabilities), copy=False)[()]
