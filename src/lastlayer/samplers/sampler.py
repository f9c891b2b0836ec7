"""What every sampler does: a seeded generator of its own, its state, and all classes where as many are asked for."""

import warnings
from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer
from lastlayer.samplers._checks import as_classes, count_of, number_of_classes
from lastlayer.samplers.candidates import Candidates

RandomState: TypeAlias = "int | np.integer[Any] | np.random.Generator | None"


class AllClassesWarning(UserWarning):
    """As many candidates were asked for as there are classes, so that all of them are taken: a full softmax."""


class Sampler(ABC):
    """Draws candidates from `num_classes` classes; see Uniform, LogUniform and Unigram.

    Args:
      num_classes: K, at least 1.
      distinct: whether candidates are distinct.
      random_state: a seed, a numpy Generator to share, or None for a seed of the system's.
    """

    def __init__(self, num_classes: Integer, *, distinct: bool = True, random_state: RandomState = None):
        self._num_classes = number_of_classes(num_classes)
        if not isinstance(distinct, (bool, np.bool_)):
            raise TypeError(f"distinct: received {distinct!r}, expected True or False.")
        self._distinct = bool(distinct)
        try:
            self._rng = np.random.default_rng(random_state)
        except (TypeError, ValueError):
            raise TypeError(
                f"random_state: received {random_state!r}, expected an integer from 0 on, a numpy.random.Generator or "
                "None."
            ) from None
        self._has_said_all = False
        # The most candidates below K that can be drawn.
        self._most = self._num_classes

    @property
    def num_classes(self) -> int:
        """K."""
        return self._num_classes

    @property
    def distinct(self) -> bool:
        """Whether candidates are distinct."""
        return self._distinct

    def sample(self, num_candidates: Integer, rng: np.random.Generator | None = None) -> Candidates:
        """Draw candidates, in O(S).

        Args:
          num_candidates: S; as many as there are classes, or more, gives every class once.
          rng: the generator to draw from; None takes the sampler's own.
        Returns: S candidates in ascending order, or K of them where S >= K.

        Raises: ValueError or TypeError if S is no whole number from 1 on, or `rng` no generator.

        Warns:
          AllClassesWarning: at the first call whose S is K or more.
        """
        count = count_of(num_candidates)
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng: received {type(rng).__name__}, expected a numpy.random.Generator or None.")
        if count >= self._num_classes:
            if not self._has_said_all:
                self._has_said_all = True
                warnings.warn(
                    f"num_candidates: received {count} for {self._num_classes} classes, so every class is taken once: "
                    "a full softmax.",
                    AllClassesWarning,
                    stacklevel=2,
                )
            return Candidates(np.arange(self._num_classes), np.zeros(self._num_classes), _Counts(self, count))
        self._check_count(count)
        indices = self._draw(count, self._rng if rng is None else rng)
        indices.sort()
        return Candidates(indices, self._log_expected_count(indices, count), _Counts(self, count))

    def log_expected_count_of(self, labels: ArrayLike, num_candidates: Integer = 1) -> NDArray[np.float64]:
        """The logarithm of how often each class is expected among so many candidates.

        Args:
          labels: (...) integers in 0..K-1.
          num_candidates: S.
        Returns: (...) float64; -inf for a class that is never drawn, 0 where S >= K.

        Raises: ValueError or TypeError if a label is out of range (it names the first) or S no whole number from 1 on.
        """
        count = count_of(num_candidates)
        classes = as_classes(labels, self._num_classes)
        if count >= self._num_classes:
            return np.zeros(classes.shape)
        self._check_count(count)
        return self._log_expected_count(classes.reshape(-1), count).reshape(classes.shape)

    def get_state(self) -> dict[str, Any]:
        """What `set_state` takes to go on with the same draws: a dict that JSON can hold."""
        return {
            "sampler": type(self).__name__,
            "num_classes": self._num_classes,
            "distinct": self._distinct,
            "generator": _plain(self._rng.bit_generator.state),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the draws of the sampler that `get_state` was called on, bit for bit.

        Raises: ValueError if it is no such state, or that of another kind of sampler; nothing is changed then.
        """
        expected = {"sampler": type(self).__name__, "num_classes": self._num_classes, "distinct": self._distinct}
        if not isinstance(state, dict) or set(state) != {*expected, "generator"}:
            raise ValueError(
                f"state: received {_kind(state)}, expected what get_state() of a {expected['sampler']} gave."
            )
        for name, value in expected.items():
            if state[name] != value:
                raise ValueError(f"state: {name} is {state[name]!r}, but that of this sampler is {value!r}.")
        self._rng = np.random.Generator(_bit_generator(state["generator"]))

    def _check_count(self, count):
        if count > self._most:
            raise ValueError(
                f"num_candidates: received {count}, but {self._most} classes have a count above 0, expected at most as "
                "many, or distinct=False."
            )

    @abstractmethod
    def _draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """So many classes, below K of them, in any order; a fresh array."""

    @abstractmethod
    def _log_expected_count(self, classes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """The logarithm of the expected count of (n,) classes among so many candidates, below K of them."""


class _Counts:
    """What candidates know of other classes: the sampler and S. Unlike a closure, it can be pickled."""

    def __init__(self, sampler, num_candidates):
        self._sampler, self._num_candidates = sampler, num_candidates

    def __call__(self, labels):
        return self._sampler.log_expected_count_of(labels, self._num_candidates)


def _kind(state):
    return f"a dict of {sorted(map(str, state))}" if isinstance(state, dict) else type(state).__name__


def _plain(state):
    """The state of a bit generator without arrays and numbers of NumPy."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state


def _bit_generator(state):
    kinds = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
    try:
        generator = {kind.__name__: kind for kind in kinds}[state["bit_generator"]](0)
        generator.state = state
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise ValueError("state: its generator is not one of NumPy's, expected what get_state() gave.") from None
    return generator
