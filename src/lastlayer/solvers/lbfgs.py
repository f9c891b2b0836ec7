"""Limited-memory BFGS: a direction from the last few steps and the changes of gradient that they brought."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class StepHistory:
    """The last `size` pairs (step, change of gradient) and the inverse Hessian that they imply.

    Source: Nocedal & Wright 2006, Numerical Optimization, algorithm 7.4.
    """

    def __init__(self, size: int = 10):
        self._pairs: deque[tuple[NDArray[Any], NDArray[Any], float]] = deque(maxlen=size)

    def pairs(self) -> tuple[tuple[NDArray[Any], NDArray[Any]], ...]:
        """The pairs, the oldest first; they are not changed later."""
        return tuple((step, change) for step, change, _ in self._pairs)

    def add(self, step: NDArray[Any], change: NDArray[Any]) -> None:
        """Remember a pair, unless rounding has made its curvature meaningless."""
        product = float(np.vdot(step, change))
        if product > 1e-7 * np.linalg.norm(step) * np.linalg.norm(change):
            self._pairs.append((step, change, 1.0 / product))

    def add_ridge(self, ridge: float, count: int) -> None:
        """Make of the pairs what they had been with ridge / 2 ||.||² more on the first `count` parameters.

        A ridge may be < 0. Pairs whose curvature that makes meaningless are forgotten.
        """
        pairs = list(self._pairs)
        self._pairs.clear()
        for step, change, _ in pairs:
            moved = change.copy()
            moved[:count] += change.dtype.type(ridge) * step[:count]
            self.add(step, moved)

    def direction(self, gradient: NDArray[Any], precondition: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        """Minus the implied inverse Hessian times `gradient`.

        Args:
          gradient: flat array of the parameters.
          precondition: function of a flat array, the inverse Hessian before the first pair.
        """
        remaining, weights = gradient.copy(), []
        for step, change, rho in reversed(self._pairs):
            weight = rho * float(np.vdot(step, remaining))
            remaining -= remaining.dtype.type(weight) * change
            weights.append(weight)
        result = precondition(remaining)
        if self._pairs:
            # The last step's curvature sets the scale, so that steps of length 1 are about right.
            _, change, rho = self._pairs[-1]
            result *= result.dtype.type(1.0 / (rho * float(np.vdot(change, precondition(change)))))
        for (step, change, rho), weight in zip(self._pairs, reversed(weights), strict=True):
            result += result.dtype.type(weight - rho * float(np.vdot(change, result))) * step
        return -result


class StepHistories:
    """StepHistory for many functions side by side, whose steps and gradients are the rows of arrays (B, P)."""

    def __init__(self, size: int = 10):
        self._pairs: deque[tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]] = deque(maxlen=size)

    def add(self, step: NDArray[Any], change: NDArray[Any]) -> None:
        """Remember pairs; one whose curvature rounding has made meaningless changes nothing."""
        product = _dots(step, change)
        meant = product > 1e-7 * np.sqrt(_dots(step, step) * _dots(change, change))
        self._pairs.append((step, change, np.divide(1.0, product, out=np.zeros_like(product), where=meant)))

    def add_ridge(self, ridge: NDArray[np.float64], count: int) -> None:
        """Make of the pairs what they had been with ridge / 2 ||.||² more on the first `count` parameters, (B,)."""
        pairs = list(self._pairs)
        self._pairs.clear()
        for step, change, _ in pairs:
            moved = change.copy()
            moved[:, :count] += _column(ridge, change) * step[:, :count]
            self.add(step, moved)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Forget the functions where `which` (B,) is False."""
        pairs = [(step[which], change[which], rho[which]) for step, change, rho in self._pairs]
        self._pairs = deque(pairs, self._pairs.maxlen)

    def direction(self, gradient: NDArray[Any], precondition: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        """Minus each implied inverse Hessian times its row of `gradient`; `precondition` takes and gives such rows."""
        remaining, weights = gradient.copy(), []
        for step, change, rho in reversed(self._pairs):
            weight = rho * _dots(step, remaining)
            remaining -= _column(weight, remaining) * change
            weights.append(weight)
        result = precondition(remaining)
        if self._pairs:
            _, change, rho = self._pairs[-1]
            squares = rho * _dots(change, precondition(change))
            result *= _column(np.divide(1.0, squares, out=np.ones_like(squares), where=squares > 0), result)
        for (step, change, rho), weight in zip(self._pairs, reversed(weights), strict=True):
            result += _column(weight - rho * _dots(change, result), result) * step
        return -result


def _dots(left, right):
    """The inner products of rows, which BLAS sums in their dtype."""
    return np.vecdot(left, right).astype(np.float64)


def _column(numbers, like):
    return numbers[:, None].astype(like.dtype)
