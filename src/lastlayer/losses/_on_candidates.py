"""How a loss runs over the logits of candidates and true classes, with or without the gradients of a linear head.

A row of logits holds the S candidates, then the M true classes: X W' + b - log(expected count). The last two terms are
one more column of the weights, and the last column of the features is 1, so that the products give them and the
gradient of the bias for nothing. Rows are cut into parts whose logits fit a few megabytes, parts into blocks that
threads take, and so are the candidates for the weights' gradient; all of these depend on shapes alone, so that results
are the same on any number of threads.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import (
    as_float_array,
    as_labels,
    as_sample_weight,
    named_row,
    refuse_foreign,
    result_dtype,
    rounded,
)
from lastlayer._blas import on_one_blas_thread
from lastlayer._threads import run_blocks
from lastlayer.kernels.sampled import add_rows_of_classes, mask_hits
from lastlayer.losses.class_rows import ClassRows, SampledLossesAndGradients
from lastlayer.samplers import Candidates

# Logits of a part, but for wide rows, of which it has this many at least.
_PART, _FEWEST_ROWS = 8_800_000, 32
# Rows of a block, of which a part has several, so that many cores find work; its logits are worth a dispatch, though.
_MOST_ROWS, _BLOCKS, _DISPATCH = 256, 8, 1 << 17
# Candidates of a block of the weights' gradient.
_FEWEST_CANDIDATES, _MOST_CANDIDATES = 64, 1024
# Entries of weights that are copied at a time.
_GATHERED = 1 << 15
# Rows of logits are whole vectors.
_VECTOR = 16

# What a loss does with rows: of their logits (n, width), padding of -inf included, S, their labels (n, M) with -1 for
# none, and whether to replace the logits by the derivatives of the losses, it makes the (n,) losses.
Rows: TypeAlias = Callable[[NDArray[Any], int, NDArray[np.int64], bool], NDArray[np.float64]]


class Problem(NamedTuple):
    """Checked arguments of a sampled loss; arrays are in the dtype that is computed with.

    features: (N, D + 1), the last column 1. candidate_weight: (S, D + 1), the last column the corrections.
    weight: (K, D) as it was given. labels: (N, M), ascending, each once, -1 for none. offset: (N, M) what is added to
    the products of true classes, `missing` where there is none. rows_need_a_label: whether a row without a label costs
    nothing. dtype: of the results.
    """

    features: NDArray[Any]
    candidate_weight: NDArray[Any]
    weight: NDArray[Any]
    candidates: NDArray[np.int64]
    labels: NDArray[np.int64]
    offset: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    rows_need_a_label: bool
    remove_accidental_hits: bool
    dtype: np.dtype[Any]


def as_problem(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    candidates: Candidates,
    bias: ArrayLike | None,
    remove_accidental_hits: bool,
    sample_weight: ArrayLike | None = None,
    *,
    missing: float,
) -> Problem:
    """Check what sampled losses take; nothing here grows with the number of classes.

    Raises: ValueError or TypeError if a shape or dtype does not fit, a label or candidate is out of range, or a label's
      expected count is 0; it names the first.
    """
    X = as_float_array(features, "features")
    if X.ndim != 2:
        raise ValueError(f"features: shape is {X.shape}, expected (N, D).")
    W = _as_rows(weight, "weight")
    if W.ndim != 2 or W.shape[1] != X.shape[1] or not len(W):
        raise ValueError(f"weight: shape is {W.shape}, expected (K, {X.shape[1]}), a row for each class.")
    if not isinstance(candidates, Candidates):
        raise TypeError(
            f"candidates: received {type(candidates).__name__}, expected lastlayer.samplers.Candidates, for example of "
            f"lastlayer.samplers.Uniform({len(W)}).sample(100)."
        )
    chosen = candidates.indices
    if chosen.max() >= len(W):
        i = int((chosen >= len(W)).argmax())
        raise ValueError(f"candidates: entry {i} is {chosen[i]}, but weight has {len(W)} classes (0 to {len(W) - 1}).")
    b = None if bias is None else _as_rows(bias, "bias")
    if b is not None and b.shape != W.shape[:1]:
        raise ValueError(f"bias: shape is {b.shape}, expected ({len(W)},), one for each class.")
    if not isinstance(remove_accidental_hits, (bool, np.bool_)):
        raise TypeError(f"remove_accidental_hits: received {remove_accidental_hits!r}, expected True or False.")
    given = _labels(labels, len(X), len(W))
    shape = (len(X), 1 if given.ndim == 1 else given.shape[1])
    classes, counts = _each_once(given.reshape(shape), _counts(candidates, given).reshape(shape))
    dtype = np.result_type(result_dtype(features), result_dtype(W))
    working = np.result_type(X.dtype, np.float32 if dtype == np.float16 else dtype)
    augmented = np.empty((len(X), X.shape[1] + 1), working)
    augmented[:, :-1], augmented[:, -1] = X, 1
    rows = np.empty((len(chosen), X.shape[1] + 1), working)
    _gather(W, chosen, rows[:, :-1])
    rows[:, -1] = (0.0 if b is None else b[chosen].astype(np.float64)) - candidates.log_expected_count
    offset = (0.0 if b is None else b[np.maximum(classes, 0)].astype(np.float64)) - counts
    offset = np.where(classes < 0, missing, offset).astype(working)
    weights = as_sample_weight(sample_weight, len(X), some_rows=True)
    options = missing == -np.inf, bool(remove_accidental_hits)
    return Problem(augmented, rows, W, chosen, classes, offset, weights, *options, np.dtype(dtype))


def losses_of(problem: Problem, rows: Rows) -> NDArray[Any]:
    """The (N,) losses in the dtype of results."""
    return rounded(on_one_blas_thread(_Run(problem, rows, with_gradient=False).losses), problem.dtype)


def losses_and_gradients_of(problem: Problem, rows: Rows) -> SampledLossesAndGradients[Any]:
    """The losses and gradients of their sum, weighted by the sample weights."""
    return on_one_blas_thread(_Run(problem, rows, with_gradient=True).losses_and_gradients)


def _gather(weight, classes, out):
    """Copy the rows of classes, a cache's worth at a time, on every core."""
    step = max(1, _GATHERED // max(1, out.shape[1]))

    def copy(first, last):
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            out[part] = weight[classes[part]]

    run_blocks(copy, len(classes), items_per_block=4 * step)


def _as_rows(values, name):
    """An array of real numbers as it is, since only some of its rows will be looked at."""
    refuse_foreign(values, name)
    array = values if isinstance(values, np.ndarray) else as_float_array(values, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: dtype is {array.dtype}, expected real numbers; convert with .astype(numpy.float64).")
    return array


def _labels(labels, num_rows, num_classes):
    refuse_foreign(labels, "labels")
    array = np.asarray(labels)
    if array.ndim not in (1, 2) or len(array) != num_rows or (array.ndim == 2 and not array.shape[1]):
        raise ValueError(
            f"labels: shape is {array.shape}, expected ({num_rows},) or ({num_rows}, M), true classes of each row of "
            "features."
        )
    ignored = -1 if array.ndim == 2 else None
    return as_labels(array, num_classes, array.shape, ignore_index=ignored, scores="the weights")


def _counts(candidates, labels):
    """The log expected counts of labels, 0 where there is none."""
    counts = np.zeros(labels.shape)
    counts[labels >= 0] = candidates.log_expected_count_of(labels[labels >= 0])
    bad = ~np.isfinite(counts)
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), labels.shape)
        raise ValueError(
            f"labels: {named_row(first)}is {labels[first]}, whose log_expected_count is {counts[first]}, expected a "
            "finite one: candidates of a sampler that may draw every label."
        )
    return counts


def _each_once(labels, counts):
    """Labels (N, M) in ascending order, -1 in place of those that stand there before, and their counts."""
    if labels.shape[1] == 1:
        return labels, counts
    order = np.argsort(labels, axis=1, kind="stable")
    labels, counts = np.take_along_axis(labels, order, 1), np.take_along_axis(counts, order, 1)
    labels[:, 1:][labels[:, 1:] == labels[:, :-1]] = -1
    return labels, counts


class _Run:
    """One pass over all rows, part by part."""

    def __init__(self, problem, rows, with_gradient):
        self._problem, self._rows, self._with_gradient = problem, rows, with_gradient
        num_rows, num_true = problem.labels.shape
        self._num_candidates, self._num_true = len(problem.candidates), num_true
        width = -(-(self._num_candidates + num_true) // _VECTOR) * _VECTOR
        parts = -(-num_rows // max(_FEWEST_ROWS, _PART // width))
        part = -(-num_rows // max(1, parts))
        self._rows_per_block = max(min(-(-part // _BLOCKS), _MOST_ROWS), -(-_DISPATCH // width))
        share = -(-self._num_candidates // _BLOCKS)
        self._candidates_per_block = min(max(share, _FEWEST_CANDIDATES), _MOST_CANDIDATES)
        self._logits = np.empty((max(1, part), width), problem.features.dtype)
        self._losses = np.empty(num_rows)
        if problem.remove_accidental_hits:
            self._order = np.argsort(problem.candidates, kind="stable")
            ascending = problem.candidates[self._order]
            self._starts = np.searchsorted(ascending, problem.labels, side="left")
            self._stops = np.searchsorted(ascending, problem.labels, side="right")
        if with_gradient:
            dtype = problem.features.dtype
            scale = problem.sample_weight
            self._scale = None if scale is None else scale.astype(dtype)[:, None]
            # Rows that add nothing to a gradient, whatever their features.
            self._silent = np.zeros(num_rows, bool) if scale is None else scale == 0
            if problem.rows_need_a_label:
                self._silent |= (problem.labels < 0).all(axis=1)
            self._scaled = problem.features if self._scale is None else problem.features * self._scale
            if self._silent.any():
                self._scaled = np.where(self._silent[:, None], self._scaled.dtype.type(0), self._scaled)
            self._of_features = np.empty((num_rows, problem.features.shape[1] - 1), dtype)
            self._of_candidates = np.zeros(problem.candidate_weight.shape, dtype)
            self._of_true = np.empty((num_rows, num_true), dtype)

    def losses(self):
        num_rows, size = len(self._losses), len(self._logits)
        for part in range(0, num_rows, size):
            rows = slice(part, min(part + size, num_rows))
            self._over(rows.stop - part, self._rows_per_block, partial(self._block, part))
            if self._with_gradient:
                self._over(self._num_candidates, self._candidates_per_block, partial(self._add, rows))
        return self._losses

    @staticmethod
    def _over(num_items, size, work):
        """Call work(start, stop) on blocks of a fixed size, on every core."""

        def blocks(first, last):
            for i in range(first, last):
                work(i * size, min((i + 1) * size, num_items))

        run_blocks(blocks, -(-num_items // size), items_per_block=1)

    def _block(self, part, first, last):
        """The losses of a block of the rows from `part` on, and what its residuals give at once."""
        problem, split = self._problem, self._num_candidates
        start, stop = part + first, part + last
        logits, features = self._logits[first:last], problem.features[start:stop]
        labels, dimension = problem.labels[start:stop], problem.features.shape[1] - 1
        np.matmul(features, problem.candidate_weight.T, out=logits[:, :split])
        if problem.remove_accidental_hits:
            mask_hits(logits, self._starts[start:stop], self._stops[start:stop], self._order)
        true_weight = problem.weight[np.maximum(labels, 0)].astype(logits.dtype, copy=False)
        true = np.einsum("nd,nmd->nm", features[:, :dimension], true_weight)
        logits[:, split : split + self._num_true] = true + problem.offset[start:stop]
        logits[:, split + self._num_true :] = -np.inf
        self._losses[start:stop] = self._rows(logits, split, labels, self._with_gradient)
        if self._with_gradient:
            logits[self._silent[start:stop]] = 0
            of_true = self._of_true[start:stop]
            of_true[...] = logits[:, split : split + self._num_true]
            of_features = self._of_features[start:stop]
            np.matmul(logits[:, :split], problem.candidate_weight[:, :dimension], out=of_features)
            of_features += np.einsum("nm,nmd->nd", of_true, true_weight)
            if self._scale is not None:
                of_features *= self._scale[start:stop]

    def _add(self, rows, start, stop):
        """Add what the residuals of a part say of the weights of a block of candidates."""
        residuals = self._logits[: rows.stop - rows.start, start:stop]
        self._of_candidates[start:stop] += residuals.T @ self._scaled[rows]

    def losses_and_gradients(self):
        problem, losses = self._problem, self.losses()
        kept = problem.labels >= 0
        true = np.unique(problem.labels[kept])
        candidates, of_candidates = self._candidates_once()
        classes = np.union1d(candidates, true)
        weight = np.zeros((len(classes), problem.features.shape[1] - 1), problem.features.dtype)
        bias = np.zeros(len(classes), problem.features.dtype)
        places = np.searchsorted(classes, candidates)
        weight[places], bias[places] = of_candidates[:, :-1], of_candidates[:, -1]
        places, of_pair = np.searchsorted(classes, true), np.searchsorted(true, problem.labels[kept])
        self._add_of_true(weight, places, of_pair, kept)
        residuals = self._of_true if self._scale is None else self._of_true * self._scale
        bias[places] += np.bincount(of_pair, residuals[kept], minlength=len(true)).astype(bias.dtype)
        dtype = problem.dtype
        return SampledLossesAndGradients(
            rounded(losses, dtype),
            rounded(self._of_features, dtype),
            ClassRows(classes, rounded(weight, dtype)),
            ClassRows(classes, rounded(bias, dtype)),
        )

    def _candidates_once(self):
        """The distinct candidates in ascending order and the sum of what each of them got."""
        candidates, values = self._problem.candidates, self._of_candidates
        if (np.diff(candidates) < 0).any():
            order = np.argsort(candidates, kind="stable")
            candidates, values = candidates[order], values[order]
        distinct, firsts = np.unique(candidates, return_index=True)
        return distinct, values if len(distinct) == len(candidates) else np.add.reduceat(values, firsts, axis=0)

    def _add_of_true(self, rows, places, of_pair, kept):
        """Add to the rows (R, D) at `places` of true classes what examples say; `of_pair` has the pairs' classes."""
        order = np.argsort(of_pair, kind="stable")
        edges = np.searchsorted(of_pair[order], np.arange(len(places) + 1))
        examples, residuals = np.nonzero(kept)[0][order], self._of_true[kept][order]

        def work(first, last):
            total = np.empty(rows.shape[1])
            add_rows_of_classes(first, last, edges, places, examples, residuals, self._scaled, total, rows)

        products = max(1, len(examples) * rows.shape[1] // max(1, len(places)))
        run_blocks(work, len(places), items_per_block=-(-_DISPATCH // products))
