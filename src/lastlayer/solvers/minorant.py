"""A sharper bound on F - F* than a head's own duality gap, for less than a few passes over the data.

The duality gap of a head's own probabilities is |slope|² / (2 lambda). The truth is half of slope' H^-1 slope, which
is less by the ratio of the Hessian's curvature to lambda: a factor of 10,000 for many rows, a weak penalty or a
feature of large scale. A tight bound needs a better dual point, and that is the optimum of another head, which would
cost as many iterations again. So we minimise a function that lies below F instead: the loss of most rows is replaced
by its tangent at the head, a linear function that costs nothing, and only the rows that carry most of the curvature
keep theirs. A convex function lies above its tangents, so the least value of this minorant is at most F*, and its
duality gap at any point bounds F - F*. It is minimised by Newton's method; the steps come from conjugate gradients in
the features' dtype or less, the bound itself from float64, or of large fits from float32. decisions/0003-solver.md and
0024-bfloat16.md have the figures.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lastlayer._threads import run_blocks
from lastlayer.kernels.softmax_regression import step_rows
from lastlayer.linear import write_logits
from lastlayer.linear.bfloat16_products import can_sweep_in_bfloat16, sweep_in_bfloat16
from lastlayer.solvers.certificate import duality_gap
from lastlayer.solvers.kept_rows import kept_rows
from lastlayer.solvers.training_rows import Line

if TYPE_CHECKING:
    from lastlayer.solvers.softmax_regression import SoftmaxRegression
    from lastlayer.solvers.softmax_search import SoftmaxPoint

# Newton steps on the minorant and on its intercepts, and products with the Hessian for each, at most.
_MOST_STEPS, _MOST_PRODUCTS = 6, 40
# Products that are allowed whatever they cost beside the fit, and numbers on which there are as many as the steps take.
_PRODUCTS_ANYWAY, _FEW_NUMBERS = 24, 1 << 19
# The bound may exceed the decrease that was found by this share of it anyway.
_LEAST_EXCESS = 0.3
# Nats by which a step on the intercepts alone may move one class against another. No line search guards that step, and
# where every kept row is sure of its class, the quadratic model would go to infinity.
_FARTHEST = 4.0
# Relative error of a value whose logits are of a dtype: many times what was measured (decisions/0024-bfloat16.md).
_ROUNDING = {np.dtype(np.float64): 1e-14, np.dtype(np.float32): 1e-7}
# Features and logits of rows that are worked on at once, and rows at least unless their logits are more than so many;
# logits worth a dispatch to another thread.
_BLOCK, _FEWEST_IN_BLOCK, _LARGEST_BLOCK, _DISPATCH = 1 << 18, 512, 1 << 23, 1 << 16


class _Effort(NamedTuple):
    """What a bound may cost, as a share of the fit's iterations, and by what factor it may exceed what is expected."""

    share_of_fit: float
    enough: float


# Where logits of all rows are kept, and where they are not, and another iteration costs more than a closer bound.
_EFFORT, _LARGE_EFFORT = _Effort(0.15, 7.0), _Effort(0.3, 4.0)


class Sharpened(NamedTuple):
    """A bound on F - F*, and what F - F* is expected to be."""

    gap: float
    expected: float


def sharpened_gap(problem: "SoftmaxRegression", point: "SoftmaxPoint", line: Line, iterations: int) -> Sharpened:
    """The least bound on F - F* that a few Newton steps on a minorant of F find, or the head's own duality gap.

    Args:
      problem: SoftmaxRegression, with a penalty above 0.
      point: the head.
      line: its logits.
      iterations: those of the fit, by which the effort is measured.
    Returns: Sharpened.
    """
    # Where logits of all rows are too many to be kept, those of the kept rows have no more digits than the gradient.
    dtype, effort = (np.dtype(np.float64), _EFFORT) if line.keeps_logits else (problem.rows.dtype, _LARGE_EFFORT)
    # Rows times products with them.
    affordable = effort.share_of_fit * iterations * problem.rows.shape[0]
    affordable_rows = problem.rows.shape[0] if line.keeps_logits else int(affordable / _PRODUCTS_ANYWAY)
    kept, share = kept_rows(problem, point, line, dtype, affordable_rows)
    num_rows = kept.shape[0]
    products = _MOST_STEPS * _MOST_PRODUCTS
    if num_rows * sum(point.weight.shape) > _FEW_NUMBERS:
        products = min(products, max(_PRODUCTS_ANYWAY, int(affordable / num_rows)))
    with np.errstate(all="ignore"):
        minorant = _Minorant(problem, point, kept, dtype)
        # Rounding may leave the minorant none; then there is the head's own.
        gap = min(minorant.bound(products, max(_LEAST_EXCESS, effort.enough * share - 1)), point.gap(problem))
        # Where the kept rows have a share of the curvature, the minorant falls as much farther below F.
        expected = share * max(float(minorant.decrease()), 0.0)
        return Sharpened(gap, expected if np.isfinite(expected) else np.inf)


class _Minorant:
    """The minorant of F at a head whose kept rows are LocalRows, at a point (W + B, b + beta) that moves.

    Logits and residuals are of `dtype`. Where that is float32, products with the Hessian are in bfloat16 if they can
    be: what they lack changes a step, not its bound.
    """

    def __init__(self, problem, point, kept, dtype):
        self._problem, self._point = problem, point
        self._features, self._labels, self._weight = kept.features, kept.labels, kept.row_weight
        self._shape = kept.shape[0], point.intercept.size
        self._weights, self._intercepts = point.weight.astype(np.float64), point.intercept.astype(np.float64)
        self._dtype, self._rounding = dtype, _ROUNDING[dtype]
        self._in_bfloat16 = dtype == np.float32 and can_sweep_in_bfloat16(kept.features, self._shape[1])
        self._logits, self._logit_change = np.zeros((2, *self._shape), dtype)
        # Probabilities times the row's weight, which is above 0.
        self._weighted = np.empty(self._shape, kept.dtype)
        self._set_logit_change(self._weights, self._intercepts)
        loss, gradient, residual_sum = self._evaluate(1.0)
        # The tangent of all other rows: its value at the head and its slope. Over the classes a slope sums to 0, but
        # for rounding, which would reward adding one number to every intercept.
        gradient_left, sums_left = point.gradient - gradient, point.residual_sum - residual_sum
        self._tangent = point.loss - loss, gradient_left - gradient_left.mean(axis=0), sums_left - sums_left.mean()
        self._set_value(loss, gradient, residual_sum)

    def bound(self, products, excess):
        """The least bound that Newton steps find with so many products with the Hessian.

        They end where the bound exceeds the decrease that was found by no more than a share `excess` of it.
        """
        self._products_left, self._excess = products, excess
        self._best = self._gap()
        for _ in range(_MOST_STEPS):
            if self._products_left <= 0 or not self._step():
                break
            self._best = min(self._best, self._gap())  # neither is NaN
            if self._best <= (1 + excess) * self.decrease():
                break
        return self._best

    def decrease(self):
        """How far the minorant has fallen below F at the head."""
        return self._point.objective - self._value

    def _gap(self):
        problem = self._problem
        gap = duality_gap(
            self._loss,
            self._weights,
            self._intercepts if problem.fit_intercept else None,
            self._gradient,
            self._residual_sum,
            problem.class_sums,
            problem.shares,
            problem.penalty,
        )
        # Both terms carry the rounding of the value, which may be far above their sum.
        gap += self.decrease() + self._rounding * abs(self._value)
        return float(gap) if np.isfinite(gap) else np.inf

    def _set_value(self, loss, gradient, residual_sum):
        """Add the tangent of the other rows to what `_evaluate` returned, and keep it."""
        value, slope, sums = self._tangent
        moved, shifted = self._weights - self._point.weight, self._intercepts - self._point.intercept
        self._loss = loss + value + float(np.vdot(slope, moved)) + float(np.dot(sums, shifted))
        self._value = self._loss + 0.5 * self._problem.penalty * float(np.vdot(self._weights, self._weights))
        self._gradient, self._residual_sum = gradient + slope, residual_sum + sums

    def _step(self):
        """One Newton step; False if it finds no lower value."""
        problem = self._problem
        slope = self._gradient + problem.penalty * self._weights, self._residual_sum
        weight, intercept = self._newton(slope)
        predicted = -float(np.vdot(slope[0], weight)) - float(np.dot(slope[1], intercept))
        if not predicted > 0:
            return False
        self._set_logit_change(weight, intercept)
        start, before = (self._weights, self._intercepts), self._value
        t = moved = 1.0
        while t > 1e-3:
            self._weights, self._intercepts = start[0] + t * weight, start[1] + t * intercept
            self._set_value(*self._evaluate(moved))
            # The gap falls long after rounding hides what the value still loses.
            if self._value <= before - 1e-4 * t * predicted + self._rounding * abs(before):
                self._optimise_intercepts()
                return True
            t, moved = 0.5 * t, -0.5 * t
        return False

    def _newton(self, slope):
        """(K, D) and (K,): minus the Hessian's inverse times `slope`, until it serves the bound."""
        penalty = self._problem.penalty
        masses, centres = self._curvature()
        result = np.zeros_like(slope[0]), np.zeros_like(slope[1])
        left = -slope[0], -slope[1]
        direction, product = None, 0.0
        for _ in range(min(_MOST_PRODUCTS, self._products_left)):
            better = self._precondition(*left, masses, centres)
            before, product = product, _dot(left, better)
            if not product > 0:
                break
            if direction is None:
                direction = better
            else:
                direction = tuple(b + product / before * d for b, d in zip(better, direction, strict=True))
            hessian_direction = self._hessian_vector_product(*direction)
            self._products_left -= 1
            curvature = _dot(direction, hessian_direction)
            if not curvature > 0:
                break
            t = product / curvature
            result = tuple(r + t * d for r, d in zip(result, direction, strict=True))
            left = tuple(r - t * h for r, h in zip(left, hessian_direction, strict=True))
            # What the bound would gain from further products, once the intercepts are settled.
            decrease = -0.5 * _dot(slope, result)
            rest = left[0] - left[1][:, None] * centres
            if self._best <= (1 + self._excess) * decrease:
                break
            lacking = np.vdot(rest, rest) / (2 * penalty) + 0.5 * np.dot(left[1], left[1] / masses)
            if lacking <= 0.6 * self._excess * decrease:
                break
        return result

    def _curvature(self):
        """Of each class, the mean of p (1 - p) over the kept rows and the features' mean under it, less the mean."""
        problem, point = self._problem, self._point

        def work(start, stop):
            products = np.zeros(self._weights.shape)
            for rows in self._blocks(start, stop):
                weighted = self._weighted[rows]
                variances = weighted - weighted * (weighted / self._weight[rows, None].astype(weighted.dtype))
                products += self._features.adjoint(variances, rows)
            return products

        products = sum(self._run(work))
        masses = np.maximum(self._masses, np.maximum(1e-3 * point.masses, np.finfo(float).tiny))
        return masses, (products - np.outer(self._masses, problem.mean)) / masses[:, None]

    def _precondition(self, weight, intercept, masses, centres):
        problem = self._problem
        weight, shift = problem.curvature.solve(
            weight.astype(self._features.dtype),
            intercept if problem.fit_intercept else None,
            masses,
            centres,
            problem.penalty,
        )
        weight = weight.astype(np.float64)
        shift = np.zeros_like(intercept) if shift is None else shift - shift.mean()
        return weight - weight.mean(axis=0), shift

    def _hessian_vector_product(self, weight, intercept):
        narrow = weight.astype(self._features.dtype)
        sums, products = (self._rounded_product if self._in_bfloat16 else self._product)(narrow, intercept)
        hessian_direction = products + self._problem.penalty * weight
        return hessian_direction, sums if self._problem.fit_intercept else np.zeros_like(sums)

    def _product(self, weight, intercept):
        """The change of residuals that a change of the head brings, its sum (K,) and its product with the rows."""
        mean, dtype = self._problem.mean, weight.dtype
        offset = (intercept - weight @ mean).astype(dtype)

        def work(start, stop):
            sums, products = np.zeros(self._shape[1]), np.zeros(weight.shape)
            for rows in self._blocks(start, stop):
                change = np.empty((rows.stop - rows.start, self._shape[1]), dtype)
                write_logits(self._features, weight, offset, rows, change)
                self._multiply_by_logit_hessian(change, rows)
                sums += change.sum(axis=0, dtype=np.float64)
                products += self._features.adjoint(change, rows)
            return sums, products

        sums, products = (sum(parts) for parts in zip(*self._run(work), strict=True))
        return sums, products - np.outer(sums, mean)

    def _rounded_product(self, weight, intercept):
        num_classes = self._shape[1]

        def write_residual(rows, change, residual):
            change = change[:, :num_classes]
            self._multiply_by_logit_hessian(change, rows)
            residual[:, :num_classes], residual[:, num_classes:] = change, 0
            return (change.sum(axis=0, dtype=np.float64),)

        products, (sums,) = sweep_in_bfloat16(self._features, weight, intercept, self._problem.mean, write_residual)
        return sums, products

    def _multiply_by_logit_hessian(self, change, rows):
        """Multiply a change of logits by its row's Hessian, the weight times diag(p) - p p', in place."""
        weighted = self._weighted[rows]
        mean = np.einsum("nk,nk->n", weighted, change) / self._weight[rows]
        change -= mean[:, None].astype(change.dtype)
        change *= weighted

    def _optimise_intercepts(self):
        """Newton's method on the intercepts alone, whose slope costs the bound its first order."""
        if not self._problem.fit_intercept:
            return
        self._logit_change.fill(0.0)
        for _ in range(_MOST_STEPS):
            predicted = np.maximum(self._problem.shares + self._residual_sum, np.finfo(float).tiny)
            cost = float(np.max(self._residual_sum / predicted)) * (1 + np.log(self._shape[1]))
            if not cost > 0.2 * self._excess * self.decrease():
                break
            step = self._intercept_step()
            step *= _FARTHEST / max(float(np.ptp(step)), _FARTHEST)
            self._intercepts = self._intercepts + step
            self._set_value(*self._evaluate(1.0, step))

    def _intercept_step(self):
        masses = np.maximum(self._masses, np.finfo(float).tiny)
        result, left = np.zeros(self._shape[1]), -self._residual_sum
        direction, product = 0.0, 1.0
        for _ in range(_MOST_PRODUCTS):
            better = left / masses
            before, product = product, float(np.dot(left, better))
            if not product > 1e-30:
                break
            direction = better + product / before * direction
            hessian_direction = self._intercept_hessian_vector_product(direction)
            curvature = float(np.dot(direction, hessian_direction))
            if not curvature > 0:
                break
            result = result + product / curvature * direction
            left = left - product / curvature * hessian_direction
            if np.max(np.abs(left)) <= 1e-3 * np.max(np.abs(self._residual_sum)):
                break
        return result - result.mean()

    def _intercept_hessian_vector_product(self, direction):
        narrow = direction.astype(self._features.dtype)

        def work(start, stop):
            rows = slice(start, stop)
            change = np.tile(narrow, (stop - start, 1))
            self._multiply_by_logit_hessian(change, rows)
            return change.sum(axis=0, dtype=np.float64)

        return np.sum(self._run(work), axis=0)

    def _evaluate(self, t, offset=None):
        """Move the logits by t (change + offset), and keep their probabilities.

        Returns: (loss, gradient, residuals' sum) of the kept rows there.
        """
        dtype, num_classes = self._dtype, self._shape[1]
        offset, t = np.zeros(num_classes, dtype) if offset is None else offset.astype(dtype), dtype.type(t)

        def work(start, stop):
            loss, gradient, (masses, residual_sum) = 0.0, np.zeros(self._weights.shape), np.zeros((2, num_classes))
            for rows in self._blocks(start, stop):
                labels, weight = self._labels[rows], self._weight[rows]
                residual = np.empty((labels.size, num_classes), dtype)
                block = self._logits[rows], self._logit_change[rows], offset, labels, weight
                loss += step_rows(*block, t, residual, masses, residual_sum)
                gradient += self._features.adjoint(residual, rows)
                residual[np.arange(labels.size), labels] += weight
                self._weighted[rows] = residual
            return loss, gradient, masses, residual_sum

        losses, gradients, masses, residual_sums = zip(*self._run(work), strict=True)
        self._masses, residual_sum = sum(masses), sum(residual_sums)
        return sum(losses), sum(gradients) - np.outer(residual_sum, self._problem.mean), residual_sum

    def _set_logit_change(self, weight, intercept):
        """Compute the change of logits that one of the weights and intercepts brings."""
        weight, offset = weight.astype(self._dtype), intercept - weight @ self._problem.mean

        def work(start, stop):
            for rows in self._blocks(start, stop):
                write_logits(self._features, weight, offset, rows, self._logit_change[rows])

        self._run(work)

    def _blocks(self, start, stop):
        num_classes = self._shape[1]
        size = max(_FEWEST_IN_BLOCK, _BLOCK // (num_classes + self._features.shape[1]))
        size = max(1, min(size, _LARGEST_BLOCK // num_classes))
        return (slice(first, min(first + size, stop)) for first in range(start, stop, size))

    def _run(self, work):
        return run_blocks(work, self._shape[0], items_per_block=max(1, _DISPATCH // self._shape[1]))


def _dot(one, other):
    return float(np.vdot(one[0], other[0])) + float(np.dot(one[1], other[1]))
