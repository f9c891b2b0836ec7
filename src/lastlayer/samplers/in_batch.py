"""InBatch: the labels of a batch as each other's negatives, with expected counts estimated from the stream."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, Number, positive_number
from lastlayer.samplers._checks import as_classes, number_of_classes
from lastlayer.samplers.candidates import Candidates


class InBatch:
    """The distinct labels of a batch as candidates for all of its rows, whose features are at hand anyway.

    Their expected count is the chance that a batch holds the class. It is not known, but estimated: the inverse of the
    mean number of batches from one that holds the class to the next. That mean is over all gaps so far until there are
    1 / rate of them, and then a moving average, so that it follows a stream whose frequencies change. A class seen in
    n batches has a relative error of about max(1 / n, rate / 2) ** 0.5. Memory is 20 bytes a class.

    Source: Yi et al. 2019, Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, section 4,
    algorithm 2, without its hashing.

    Args:
      num_classes: K, at least 1.
      rate: the weight of the last gap in the moving average, above 0 and at most 1.

    >>> import numpy as np
    >>> sampler = InBatch(10)
    >>> for batch in ([1, 2], [1, 3, 3], [1, 2], [1, 5]):
    ...     sampler.update(batch)
    >>> candidates = sampler.sample([2, 1, 2])
    >>> candidates.indices.tolist(), np.exp(candidates.log_expected_count).tolist()
    ([1, 2], [1.0, 0.6666666666666666])
    """

    def __init__(self, num_classes: Integer, *, rate: Number = 0.01):
        self._num_classes = number_of_classes(num_classes)
        self._rate = positive_number(rate, "rate")
        if self._rate > 1:
            raise ValueError(f"rate: received {rate!r}, expected a number above 0 and at most 1.")
        self._step = 0
        self._last = np.zeros(self._num_classes, np.int64)
        self._gap = np.zeros(self._num_classes)
        self._seen = np.zeros(self._num_classes, np.int32)

    @property
    def num_classes(self) -> int:
        """K."""
        return self._num_classes

    def update(self, labels: ArrayLike) -> None:
        """Count the labels of one more batch, in O(batch).

        Args:
          labels: (...) integers in 0..K-1.

        Raises: ValueError or TypeError if a label is out of range (it names the first).
        """
        classes = np.unique(as_classes(labels, self._num_classes))
        self._step += 1
        most = np.iinfo(np.int32).max
        seen = np.minimum(self._seen[classes], most - 1) + 1
        weight = np.maximum(self._rate, 1.0 / seen)
        self._gap[classes] += weight * (self._step - self._last[classes] - self._gap[classes])
        self._last[classes], self._seen[classes] = self._step, seen

    def sample(self, labels: ArrayLike) -> Candidates:
        """The distinct labels of a batch as candidates, in ascending order; the batch is not counted, see `update`.

        Raises: ValueError if a label is out of range or was in no batch so far (it names it); TypeError if they are
          no integers.
        """
        classes = np.unique(as_classes(labels, self._num_classes))
        if not classes.size:
            raise ValueError("labels: received none, expected at least one.")
        unseen = self._seen[classes] == 0
        if unseen.any():
            raise ValueError(
                f"labels: class {classes[unseen.argmax()]} was in no batch so far, expected update(labels) before "
                "sample(labels)."
            )
        return Candidates(classes, self.log_expected_count_of(classes), self.log_expected_count_of)

    def log_expected_count_of(self, labels: ArrayLike) -> NDArray[np.float64]:
        """The logarithm of the estimated chance that a batch holds each class, -inf for one that was in none so far.

        Args:
          labels: (...) integers in 0..K-1.
        """
        gap = self._gap[as_classes(labels, self._num_classes)]
        return np.where(gap > 0, -np.log(np.where(gap > 0, gap, 1.0)), -np.inf)

    def get_state(self) -> dict[str, Any]:
        """What `set_state` takes to go on with the same estimates: a dict that JSON can hold, of the classes seen."""
        classes = np.flatnonzero(self._seen)
        return {
            "sampler": "InBatch",
            "num_classes": self._num_classes,
            "step": self._step,
            "classes": classes.tolist(),
            "last": self._last[classes].tolist(),
            "gap": self._gap[classes].tolist(),
            "seen": self._seen[classes].tolist(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the estimates of the sampler that `get_state` was called on.

        Raises: ValueError if it is no such state; nothing is changed then.
        """
        wrong = ValueError("state: is not that of an InBatch sampler, expected what its get_state() gave.")
        try:
            if state["sampler"] != "InBatch":
                raise wrong
            if state["num_classes"] != self._num_classes:
                raise ValueError(
                    f"state: num_classes is {state['num_classes']!r}, but that of this sampler is {self._num_classes}."
                )
            classes = as_classes(state["classes"], self._num_classes) if state["classes"] else np.zeros(0, np.int64)
            parts = (np.zeros_like(self._last), np.zeros_like(self._gap), np.zeros_like(self._seen))
            for part, name in zip(parts, ("last", "gap", "seen"), strict=True):
                part[classes] = np.asarray(state[name], part.dtype).reshape(classes.shape)
            step = int(state["step"])
        except (KeyError, TypeError, IndexError, OverflowError):
            raise wrong from None
        self._last, self._gap, self._seen = parts
        self._step = step
