"""softmax, log_softmax and logsumexp, of a row and of lanes.

The `scale` of each is from exponential.scale_of, in the logits' dtype.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels.exponential import BETA, unpacked
from lastlayer.kernels.instructions import fused_multiply_add, where_equal
from lastlayer.kernels.lanes import (
    load_lanes,
    maxima_of_lanes,
    store_lanes,
    sum_in_parts_of_lanes,
    sum_of_exponentials_of_lanes,
)
from lastlayer.kernels.layouts import implement
from lastlayer.kernels.row_sums import holds_nan, log_of_sum, row_maximum, sum_in_parts, sum_of_exponentials
from lastlayer.kernels.vectors import lane_count, load, load_first, store, store_first, sum_of_lanes, widened


class Softmax(NamedTuple):
    """exp(beta z) / sum exp(beta z)."""

    scale: NDArray[Any]


class LogSoftmax(NamedTuple):
    """beta z - log sum exp(beta z)."""

    scale: NDArray[Any]


class LogSumExp(NamedTuple):
    """log(sum exp(beta z)) / beta to the flat float64 `sums`, the smooth maximum.

    It is -inf of nothing but -inf and +inf of anything with +inf, by definition.
    """

    scale: NDArray[Any]
    sums: NDArray[np.float64]


def _softmax_of_row(operation, example, logits, i, result):
    row, width = result[i], lane_count(result[i])
    top = row_maximum(logits[i])
    factor = row.dtype.type(1.0 / sum_of_exponentials(logits[i], top, unpacked(operation.scale), row))
    whole = row.size - row.size % width
    for j in range(0, whole, width):
        store(row, j, load(row, j) * factor)
    if whole < row.size:
        rest = row.size - whole
        store_first(row, whole, load_first(row, whole, rest, 0) * factor, rest)


def _log_softmax_of_row(operation, example, logits, i, result):
    source, row, scale, width = logits[i], result[i], unpacked(operation.scale), lane_count(result[i])
    top = row_maximum(source)
    others, others_low, winners = sum_in_parts(source, top, scale, None)
    beta, minus_log_sum = scale[BETA], row.dtype.type(-log_of_sum(others, others_low, winners))
    whole = row.size - row.size % width
    for j in range(0, whole, width):
        store(row, j, fused_multiply_add(load(source, j) - top, beta, minus_log_sum))
    if whole < row.size:
        rest = row.size - whole
        below = load_first(source, whole, rest, -np.inf) - top
        store_first(row, whole, fused_multiply_add(below, beta, minus_log_sum), rest)


def _logsumexp_of_row(operation, example, logits, i, result):
    row, scale = logits[i], unpacked(operation.scale)
    top = row_maximum(row)
    if np.isinf(top):
        operation.sums[example] = np.nan if holds_nan(row) else top
    else:
        others, others_low, winners = sum_in_parts(row, top, scale, None)
        operation.sums[example] = np.float64(top) + log_of_sum(others, others_low, winners) / np.float64(scale[BETA])


def _softmax_of_lanes(operation, example, logits, where, result, workspace):
    top, tile = maxima_of_lanes(logits, where), workspace.exponentials
    factor = 1.0 / sum_of_exponentials_of_lanes(logits, where, top, unpacked(operation.scale), tile)
    for k in range(logits.shape[1]):
        store_lanes(result, where, k, load(tile[0, k], 0) * factor)


def _log_softmax_of_lanes(operation, example, logits, where, result, workspace):
    top, scale = maxima_of_lanes(logits, where), unpacked(operation.scale)
    others, others_low, winners = sum_in_parts_of_lanes(logits, where, top, scale, None)
    minus_log_sum = 0.0 - log_of_sum(others, others_low, winners)
    for k in range(logits.shape[1]):
        below = load_lanes(logits, where, k) - top
        store_lanes(result, where, k, fused_multiply_add(below, scale[BETA], minus_log_sum))


def _logsumexp_of_lanes(operation, example, logits, where, result, workspace):
    top, scale = maxima_of_lanes(logits, where), unpacked(operation.scale)
    others, others_low, winners = sum_in_parts_of_lanes(logits, where, top, scale, None)
    log_sum = widened(log_of_sum(others, others_low, winners))
    store_first(operation.sums, example, widened(top) + log_sum / np.float64(scale[BETA]), where.count)
    if sum_of_lanes(where_equal(top * 0.0, 0.0, 0.0, 1.0)) > 0.0:
        # An infinite maximum is the sum itself, but beside NaN.
        for lane in range(where.count):
            maximum, start = np.float64(-np.inf), where.start
            for k in range(logits.shape[1]):
                logit = np.float64(logits[where.outer, k, start + lane])
                maximum = maximum if logit <= maximum or np.isnan(maximum) else logit
            if np.isinf(maximum):
                operation.sums[example + lane] = maximum


implement(Softmax, _softmax_of_row, _softmax_of_lanes, short=2)
implement(LogSoftmax, _log_softmax_of_row, _log_softmax_of_lanes, short=2)
implement(LogSumExp, _logsumexp_of_row, _logsumexp_of_lanes, short=4)
