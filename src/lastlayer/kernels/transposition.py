"""Turning short rows into columns and back, a block of vector registers at a time.

A block is `side` rows of half as many columns: the halves of a register are filled from two rows that lie half a side
apart, which costs no shuffle, and what is left to turn are squares inside of the halves.
"""

from llvmlite import ir
from numba import types
from numba.extending import overload

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import instruction
from lastlayer.kernels.storage import number, stored


@instruction
def _turn_block_in(typing_context, source, row, column, target, target_row, target_column):
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
        for i, vector in enumerate(_squares_turned(builder, vectors)):
            builder.store(vector, at_target(i), align=align)
        return context.get_dummy_value()

    return types.none(source, types.intp, types.intp, target, types.intp, types.intp), generate


@instruction
def _turn_block_out(typing_context, source, row, column, target, target_row, target_column):
    # target[target_row + j, target_column + i] = source[row + i, column + j] for i below half a side, j below a side.
    def generate(context, builder, signature, arguments):
        side, half = _side(source.dtype), _side(source.dtype) // 2
        at_source = _address(context, builder, source, arguments[:3], side)
        at_target = _address(context, builder, target, arguments[3:], half)
        indices, align = ir.VectorType(ir.IntType(32), half), source.dtype.bitwidth // 8
        vectors = [builder.load(at_source(i), align=align) for i in range(half)]
        for i, vector in enumerate(_squares_turned(builder, vectors)):
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


def _squares_turned(builder, vectors):
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
def turn_in(rows, start, count, tile, staging):
    """tile[0, :, lane] = rows[start + lane], as numbers, for each lane below `count`.

    `staging` (lanes, K) holds the numbers of bits on the way; what it is for other entries does not matter.
    """
    numbers, first = _numbers_of_rows(rows, start, count, staging)
    _turn_numbers_in(numbers, first, count, tile[0])


@compiled(inline=True)
def turn_out(tile, rows, start, count, staging):
    """rows[start + lane] = tile[0, :, lane], as entries, for each lane below `count`; `staging` as in turn_in."""
    numbers, first = _room_for_rows(rows, start, staging)
    _turn_numbers_out(tile[0], numbers, first, count)
    _store_rows(numbers, rows, start, count)


@compiled(inline=True)
def _turn_numbers_in(rows, start, count, tile):
    width, side = rows.shape[1], 32 // rows.itemsize
    half = side // 2
    if count < side or width < half:
        for lane in range(count):
            for k in range(width):
                tile[k, lane] = rows[start + lane, k]
        return
    # The last block of a row or column may overlap the one before it: it writes the same again.
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, half):
            k = min(j, width - half)
            _turn_block_in(rows, start + lane, k, tile, k, lane)


@compiled(inline=True)
def _turn_numbers_out(tile, rows, start, count):
    width, side = rows.shape[1], 32 // rows.itemsize
    half = side // 2
    if count < side or width < half:
        for lane in range(count):
            for k in range(width):
                rows[start + lane, k] = tile[k, lane]
        return
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, half):
            k = min(j, width - half)
            _turn_block_out(tile, k, lane, rows, start + lane, k)


def _numbers_of_rows(rows, start, count, staging) -> tuple:
    """An array that holds the rows `start` to start + count as numbers, and where they begin in it."""
    raise NotImplementedError


def _room_for_rows(rows, start, staging) -> tuple:
    """Where to put the numbers of the rows from `start` on: an array, and where they begin in it."""
    raise NotImplementedError


def _store_rows(numbers, rows, start, count):
    """Write numbers that are not in `rows` yet."""
    raise NotImplementedError


@overload(_numbers_of_rows)
def _choose_numbers_of_rows(rows, start, count, staging):
    if rows.dtype != types.uint16:
        return lambda rows, start, count, staging: (rows, start)

    def widened(rows, start, count, staging):
        source, numbers = rows[start : start + count].reshape(-1), staging[:count].reshape(-1)
        for j in range(source.size):
            numbers[j] = number(source[j])
        return staging, 0

    return widened


@overload(_room_for_rows)
def _choose_room_for_rows(rows, start, staging):
    if rows.dtype != types.uint16:
        return lambda rows, start, staging: (rows, start)
    return lambda rows, start, staging: (staging, 0)


@overload(_store_rows)
def _choose_store_rows(numbers, rows, start, count):
    if rows.dtype != types.uint16:
        return lambda numbers, rows, start, count: None

    def narrowed(numbers, rows, start, count):
        source, target = numbers[:count].reshape(-1), rows[start : start + count].reshape(-1)
        for j in range(source.size):
            target[j] = stored(source[j], target)

    return narrowed
