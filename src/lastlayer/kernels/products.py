"""Matrix products of a tile of classes with a block of rows, in layouts that need no copies of the weights.

A block of features is packed once, as vectors of rows: `panels` (V, D, lanes) holds rows v lanes to v lanes + lanes - 1
side by side. A tile of logits has the same form, (V, T, lanes). All three products of a linear head then are sums of a
number times a vector, accumulated in registers (Goto & van de Geijn 2008, Anatomy of high-performance matrix
multiplication, section 4), with the weights (T, D) read as they stand:

    logits[v, t]     = sum_d weight[t, d] panels[v, d]          write_products
    of_features[v, d] += sum_t weight[t, d] residual[v, t]      add_to_features
    of_weight[t, d]  += sum_r residual[r, t] features[r, d]     add_to_weight
"""

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils, config

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import (
    Vector,
    broadcast,
    instruction,
    larger,
    prefetch_to_read,
    prefetch_to_write,
    suffix_of,
)
from lastlayer.kernels.transposition import transpose_lanes, transpose_rows
from lastlayer.kernels.vectors import VECTOR_BYTES, filled, lane_count, load, sum_of_lanes

# Rows and vectors of a block of accumulators: 24 of 32 registers of 64 bytes, else 12 of 16 registers of 32 bytes or
# 24 of 32 registers of 16 bytes.
_ANY_PROCESSOR = getattr(config, "CPU_NAME", None) in (None, "host")
_WIDE = _ANY_PROCESSOR and bool(get_host_cpu_features().get("avx512f"))
_ROWS, _VECTORS = 6, 4 if _WIDE else 1
# Features after which the first product goes on to other classes: so many vectors of rows stay in the first cache.
_FEATURE_STRETCH = 128
# Classes after which the second product goes on to the next: so many vectors of residuals stay in the first cache.
_STRETCH = 64
# Rows of weights that are fetched before their turn.
_AHEAD = 2 * _ROWS
# Vectors of rows after which the third product goes on to other features.
_ROW_STRETCH = 8


def _block_of(rows, vectors, masked=False):
    """The instruction that adds outer * inner products of `rows` numbers and `vectors` vectors to their accumulators.

    Numbers, vectors and accumulators are found in arrays by offsets and strides in entries: target[row, vector] +=
    sum over o, i of numbers[row, o, i] lanes[vector, o, i]. With `fresh`, they start from 0. The last vector of the
    target has `count` lanes if it is `masked`.
    """

    @instruction
    def multiply(typing_context, target, target_place, numbers, numbers_place, lanes, lanes_place, counts):
        kind = Vector(target.dtype, VECTOR_BYTES * 8 // target.dtype.bitwidth)

        def generate(context, builder, signature, arguments):
            vector, size = context.get_value_type(kind), target.dtype.bitwidth // 8
            integer = ir.IntType(64)

            def data(position):
                array = context.make_array(signature.args[position])(context, builder, arguments[position])
                return array.data

            def numbers_of(position):
                return cgutils.unpack_tuple(builder, arguments[position])

            target_data, (target_first, target_row, target_vector) = data(0), numbers_of(1)
            numbers_data, (number_first, number_row, number_outer, number_inner) = data(2), numbers_of(3)
            lanes_data, (lane_first, lane_vector, lane_outer, lane_inner) = data(4), numbers_of(5)
            outer, inner, fresh, count = numbers_of(6)

            def times(step, factor):
                return builder.mul(step, ir.Constant(integer, factor))

            def target_address(row, v):
                offset = builder.add(target_first, builder.add(times(target_row, row), times(target_vector, v)))
                return builder.bitcast(builder.gep(target_data, [offset]), vector.as_pointer())

            def mask():
                places = ir.Constant(ir.VectorType(integer, kind.lanes), list(range(kind.lanes)))
                whole = broadcast(context, builder, count, Vector(types.int64, kind.lanes))
                return builder.icmp_signed("<", places, whole)

            def masked_call(name, result, *operands):
                function = ir.FunctionType(result, [operand.type for operand in operands])
                return builder.call(cgutils.get_or_insert_function(builder.module, function, name), operands)

            align = ir.Constant(ir.IntType(32), size)

            def load_target(row, v):
                address = target_address(row, v)
                if masked and v == vectors - 1:
                    name = f"llvm.masked.load.{suffix_of(vector)}.p0"
                    return masked_call(name, vector, address, align, mask(), ir.Constant(vector, None))
                return builder.load(address, align=size)

            def store_target(row, v, value):
                address = target_address(row, v)
                if masked and v == vectors - 1:
                    name = f"llvm.masked.store.{suffix_of(vector)}.p0"
                    masked_call(name, ir.VoidType(), value, address, align, mask())
                else:
                    builder.store(value, address, align=size)

            sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in range(rows)]
            with builder.if_else(builder.icmp_signed("!=", fresh, ir.Constant(integer, 0))) as (new, old):
                with new:
                    for row in range(rows):
                        for v in range(vectors):
                            builder.store(ir.Constant(vector, None), sums[row][v])
                with old:
                    for row in range(rows):
                        for v in range(vectors):
                            builder.store(load_target(row, v), sums[row][v])
            fma = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, fma, f"llvm.fma.{suffix_of(vector)}")
            with cgutils.for_range(builder, outer) as over:
                number_start = builder.add(number_first, builder.mul(over.index, number_outer))
                lane_start = builder.add(lane_first, builder.mul(over.index, lane_outer))
                with cgutils.for_range(builder, inner) as along:
                    number_here = builder.add(number_start, builder.mul(along.index, number_inner))
                    lane_here = builder.add(lane_start, builder.mul(along.index, lane_inner))
                    loaded = []
                    for v in range(vectors):
                        offset = builder.add(lane_here, times(lane_vector, v))
                        address = builder.bitcast(builder.gep(lanes_data, [offset]), vector.as_pointer())
                        loaded.append(builder.load(address, align=size))
                    for row in range(rows):
                        offset = builder.add(number_here, times(number_row, row))
                        number = builder.load(builder.gep(numbers_data, [offset]), align=size)
                        number = broadcast(context, builder, number, kind)
                        for v in range(vectors):
                            total = builder.call(fma, [loaded[v], number, builder.load(sums[row][v])])
                            builder.store(total, sums[row][v])
            for row in range(rows):
                for v in range(vectors):
                    store_target(row, v, builder.load(sums[row][v]))
            return context.get_dummy_value()

        tuples = [types.UniTuple(types.intp, length) for length in (3, 4, 4, 4)]
        return (
            types.none(target, tuples[0], numbers, tuples[1], lanes, tuples[2], tuples[3]),
            generate,
        )

    return multiply


_whole = _block_of(_ROWS, _VECTORS)
_one_row = _block_of(1, _VECTORS)
_one_vector = _block_of(_ROWS, 1)
_one = _block_of(1, 1)
_masked = _block_of(_ROWS, 1, masked=True)
_one_masked = _block_of(1, 1, masked=True)


@compiled
def pack_rows(rows, panels):
    """panels[v, :, lane] = rows[v lanes + lane], (n, D) to (V, D, lanes); lanes beyond n are left."""
    lanes = lane_count(panels)
    for v in range(panels.shape[0]):
        transpose_rows(rows, v * lanes, min(lanes, rows.shape[0] - v * lanes), panels[v : v + 1])


@compiled
def unpack_rows(panels, rows):
    """The way back of pack_rows."""
    lanes = lane_count(panels)
    for v in range(panels.shape[0]):
        transpose_lanes(panels[v : v + 1], rows, v * lanes, min(lanes, rows.shape[0] - v * lanes))


@compiled(inline=True)
def _add_block(target, place, numbers, number_places, lanes, lane_places, counts, rows_left):
    """The next block of rows, or the next row of the last few; how many were done.

    The last of `counts`, (outer, inner, fresh, rest), says how many lanes are left, which decide the vectors.
    """
    width = lane_count(target)
    whole, rest = rows_left >= _ROWS, counts[3]
    if rest >= _VECTORS * width:
        if whole:
            _whole(target, place, numbers, number_places, lanes, lane_places, counts)
        else:
            _one_row(target, place, numbers, number_places, lanes, lane_places, counts)
    elif rest >= width:
        if whole:
            _one_vector(target, place, numbers, number_places, lanes, lane_places, counts)
        else:
            _one(target, place, numbers, number_places, lanes, lane_places, counts)
    elif whole:
        _masked(target, place, numbers, number_places, lanes, lane_places, counts)
    else:
        _one_masked(target, place, numbers, number_places, lanes, lane_places, counts)
    return _ROWS if whole else 1


@compiled
def write_products(weight, panels, logits):
    """logits[v, t] = sum over d of weight[t, d] panels[v, d]: (T, D), (V, D, lanes) and (V, T, lanes)."""
    lanes, (num_classes, num_features) = lane_count(panels), weight.shape
    num_vectors = panels.shape[0]
    stretches = max(1, (num_features + _FEATURE_STRETCH - 1) // _FEATURE_STRETCH)
    v = 0
    while v < num_vectors:
        rest = (num_vectors - v) * lanes
        for stretch in range(stretches):
            d, end = num_features * stretch // stretches, num_features * (stretch + 1) // stretches
            t = 0
            while t < num_classes:
                if v == 0:
                    for row in range(t + _AHEAD, min(t + _AHEAD + _ROWS, num_classes)):
                        for j in range(d, end, lanes):
                            prefetch_to_read(weight[row], j)
                place = ((v * num_classes + t) * lanes, lanes, num_classes * lanes)
                numbers = (t * num_features + d, num_features, 0, 1)
                vectors = ((v * num_features + d) * lanes, num_features * lanes, 0, lanes)
                counts = (1, end - d, stretch == 0, rest)
                t += _add_block(logits, place, weight, numbers, panels, vectors, counts, num_classes - t)
        v += _VECTORS if rest >= _VECTORS * lanes else 1


@compiled
def add_to_features(weight, residual, of_features):
    """of_features[v, d] += sum over t of weight[t, d] residual[v, t]: (T, D), (V, T, lanes) and (V, D, lanes)."""
    lanes, (num_classes, num_features) = lane_count(residual), weight.shape
    num_vectors = residual.shape[0]
    for t in range(0, num_classes, _STRETCH):
        v = 0
        while v < num_vectors:
            rest, d = (num_vectors - v) * lanes, 0
            counts = (1, min(_STRETCH, num_classes - t), 0, rest)
            while d < num_features:
                if v == 0 and d % lanes < _ROWS:
                    for row in range(t + _STRETCH, min(t + 2 * _STRETCH, num_classes)):
                        prefetch_to_read(weight[row], d)
                place = ((v * num_features + d) * lanes, lanes, num_features * lanes)
                numbers = (t * num_features + d, 1, 0, num_features)
                vectors = ((v * num_classes + t) * lanes, num_classes * lanes, 0, lanes)
                d += _add_block(of_features, place, weight, numbers, residual, vectors, counts, num_features - d)
            v += _VECTORS if rest >= _VECTORS * lanes else 1


@compiled
def add_to_weight(residual, features, of_weight, fresh):
    """of_weight[t, d] += sum over r of residual[r, t] features[r, d]: (V, T, lanes), (V lanes, P) and (T, D).

    Rows of features are padded to P, a multiple of whole vectors. With `fresh`, the sum replaces what is there.
    """
    lanes, num_features, padded = lane_count(residual), of_weight.shape[1], features.shape[1]
    num_vectors, num_classes = residual.shape[0], residual.shape[1]
    for v in range(0, num_vectors, _ROW_STRETCH):
        height, d = min(_ROW_STRETCH, num_vectors - v), 0
        while d < num_features:
            rest, t = num_features - d, 0
            counts = (height, lanes, fresh and v == 0, rest)
            while t < num_classes:
                if v == 0:
                    for row in range(t + _AHEAD, min(t + _AHEAD + _ROWS, num_classes)):
                        for j in range(d, min(d + _VECTORS * lanes, num_features), lanes):
                            prefetch_to_write(of_weight[row], j)
                place = (t * num_features + d, num_features, lanes)
                numbers = ((v * num_classes + t) * lanes, lanes, num_classes * lanes, 1)
                vectors = (v * lanes * padded + d, lanes, lanes * padded, padded)
                t += _add_block(of_weight, place, residual, numbers, features, vectors, counts, num_classes - t)
            d += _VECTORS * lanes if rest >= _VECTORS * lanes else lanes


@compiled
def add_to_bias(residual, of_bias):
    """of_bias[t] += sum over rows of residual (V, T, lanes), in float64."""
    for k in range(residual.shape[1]):
        total = filled(residual, 0)
        for v in range(residual.shape[0]):
            total = total + load(residual[v, k], 0)
        of_bias[k] += np.float64(sum_of_lanes(total))


@compiled
def add_to_masses(residual, inverse_scale, masses):
    """masses[t] += sum over rows of s p (1 - p), in float64, where the residual (V, T, lanes) is s p or s (p - 1).

    `inverse_scale` (V, lanes) is 1 / s, in the residual's type.
    """
    for k in range(residual.shape[1]):
        total = filled(residual, 0)
        for v in range(residual.shape[0]):
            r = load(residual[v, k], 0)
            size = larger(r, r * -1.0)
            total = total + (size - size * size * load(inverse_scale[v], 0))
        masses[k] += np.float64(sum_of_lanes(total))
