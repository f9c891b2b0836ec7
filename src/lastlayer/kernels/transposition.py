"""Transposing short rows into lanes and back, a block of vector registers at a time.

A block is `side` rows of half as many columns: the halves of a register are filled from two rows that lie half a side
apart, which costs no shuffle, and what is left to transpose are squares inside of the halves.
"""

from llvmlite import ir
from numba import types

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import instruction


@instruction
def _transpose_block_of_rows(typing_context, source, row, column, target, target_row, target_column):
    # target[target_row + i, target_column + j] = source[row + j, column + i] for i below half a side, j below a side.
    def generate(context, builder, signature, arguments):
        side, half = _side(source.dtype), _side(source.dtype) // 2
        at_source = _address(context, builder, source, arguments[:3], half)
        at_target = _address(context, builder, target, arguments[3:], side)
        both = ir.Constant(ir.VectorType(ir.IntType(32), side), list(range(side)))
        align = source.dtype.bitwidth // 8
        vectors = []
        for i in range(half):
            halves = [builder.load(at_source(i + j), align=align) for j in (0, half)]
            vectors.append(builder.shuffle_vector(*halves, both))
        for i, vector in enumerate(_transposed_squares(builder, vectors)):
            builder.store(vector, at_target(i), align=align)
        return context.get_dummy_value()

    return types.none(source, types.intp, types.intp, target, types.intp, types.intp), generate


@instruction
def _transpose_block_of_lanes(typing_context, source, row, column, target, target_row, target_column):
    # target[target_row + j, target_column + i] = source[row + i, column + j] for i below half a side, j below a side.
    def generate(context, builder, signature, arguments):
        side, half = _side(source.dtype), _side(source.dtype) // 2
        at_source = _address(context, builder, source, arguments[:3], side)
        at_target = _address(context, builder, target, arguments[3:], half)
        indices, align = ir.VectorType(ir.IntType(32), half), source.dtype.bitwidth // 8
        vectors = [builder.load(at_source(i), align=align) for i in range(half)]
        for i, vector in enumerate(_transposed_squares(builder, vectors)):
            for j in (0, half):
                part = ir.Constant(indices, list(range(j, j + half)))
                builder.store(builder.shuffle_vector(vector, vector, part), at_target(i + j), align=align)
        return context.get_dummy_value()

    return types.none(source, types.intp, types.intp, target, types.intp, types.intp), generate


def _address(context, builder, kind, arguments, length):
    """The address of `length` entries from (row + i, column) on, as a function of i; the array is C-contiguous."""
    value, row, column = arguments
    array = context.make_array(kind)(context, builder, value)
    vector = ir.VectorType(context.get_value_type(kind.dtype), length)

    def at(i):
        this = builder.add(row, ir.Constant(ir.IntType(64), i))
        offset = builder.add(builder.mul(this, builder.extract_value(array.shape, 1)), column)
        return builder.bitcast(builder.gep(array.data, [offset]), vector.as_pointer())

    return at


def _transposed_squares(builder, vectors):
    """Each half of n vectors of length 2 n is a square: swap the off-diagonal parts of ever larger squares in it."""
    vectors, length, step = list(vectors), 2 * len(vectors), 1
    indices = ir.VectorType(ir.IntType(32), length)
    while step < len(vectors):
        low = ir.Constant(indices, [i - step + length if i & step else i for i in range(length)])
        high = ir.Constant(indices, [i + length if i & step else i + step for i in range(length)])
        for i in range(len(vectors)):
            if not i & step:
                a, b = vectors[i], vectors[i + step]
                vectors[i] = builder.shuffle_vector(a, b, low)
                vectors[i + step] = builder.shuffle_vector(a, b, high)
        step *= 2
    return vectors


def _side(dtype):
    return 8 if dtype == types.float32 else 4


@compiled(inline=True)
def transpose_rows(rows, start, count, tile):
    """tile[0, :, lane] = rows[start + lane] for each lane below `count`."""
    width, side = rows.shape[1], 32 // rows.itemsize
    half = side // 2
    if count < side or width < half:
        for lane in range(count):
            for k in range(width):
                tile[0, k, lane] = rows[start + lane, k]
        return
    # The last block of a row or column may overlap the one before it: it writes the same again.
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, half):
            k = min(j, width - half)
            _transpose_block_of_rows(rows, start + lane, k, tile[0], k, lane)


@compiled(inline=True)
def transpose_lanes(tile, rows, start, count):
    """rows[start + lane] = tile[0, :, lane] for each lane below `count`."""
    width, side = rows.shape[1], 32 // rows.itemsize
    half = side // 2
    if count < side or width < half:
        for lane in range(count):
            for k in range(width):
                rows[start + lane, k] = tile[0, k, lane]
        return
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, half):
            k = min(j, width - half)
            _transpose_block_of_lanes(tile[0], k, lane, rows, start + lane, k)
