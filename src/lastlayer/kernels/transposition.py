"""Turning short rows into columns and back, a square block of vector registers at a time."""

from llvmlite import ir
from numba import types
from numba.extending import overload

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import instruction
from lastlayer.kernels.storage import number, stored


@instruction
def _turn_block(typing_context, source, row, column, target, target_row, target_column):
    # target[target_row + i, target_column + j] = source[row + j, column + i] for a square block; both are C-contiguous.
    side = _side(source.dtype)

    def generate(context, builder, signature, arguments):
        vector = ir.VectorType(context.get_value_type(source.dtype), side)

        def address(kind, value, first, step, second):
            array = context.make_array(kind)(context, builder, value)
            first = builder.add(first, ir.Constant(ir.IntType(64), step))
            offset = builder.add(builder.mul(first, builder.extract_value(array.shape, 1)), second)
            return builder.bitcast(builder.gep(array.data, [offset]), vector.as_pointer())

        rows = [
            builder.load(address(source, arguments[0], arguments[1], i, arguments[2]), align=_bytes(source.dtype))
            for i in range(side)
        ]
        # Swap the off-diagonal halves of ever larger squares, 1, 2 and, in float32, 4 wide.
        indices = ir.VectorType(ir.IntType(32), side)
        step = 1
        while step < side:
            low = ir.Constant(indices, [i - step + side if i & step else i for i in range(side)])
            high = ir.Constant(indices, [i + side if i & step else i + step for i in range(side)])
            for i in range(side):
                if not i & step:
                    a, b = rows[i], rows[i + step]
                    rows[i], rows[i + step] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
            step *= 2
        for i in range(side):
            pointer = address(target, arguments[3], arguments[4], i, arguments[5])
            builder.store(rows[i], pointer, align=_bytes(source.dtype))
        return context.get_dummy_value()

    return types.none(source, types.intp, types.intp, target, types.intp, types.intp), generate


def _side(dtype):
    return 8 if dtype == types.float32 else 4


def _bytes(dtype):
    return dtype.bitwidth // 8


@compiled(inline=True)
def turn_in(rows, start, count, tile, staging):
    """tile[:, lane] = rows[start + lane], as numbers, for each lane below `count`.

    `staging` (lanes, K) holds the numbers of bits on the way; what it is for other entries does not matter.
    """
    numbers, first = _numbers_of_rows(rows, start, count, staging)
    _turn_numbers_in(numbers, first, count, tile)


@compiled(inline=True)
def turn_out(tile, rows, start, count, staging):
    """rows[start + lane] = tile[:, lane], as entries, for each lane below `count`; `staging` as in turn_in."""
    numbers, first = _room_for_rows(rows, start, staging)
    _turn_numbers_out(tile, numbers, first, count)
    _store_rows(numbers, rows, start, count)


@compiled(inline=True)
def _turn_numbers_in(rows, start, count, tile):
    width = rows.shape[1]
    side = 32 // rows.itemsize
    if count < side or width < side:
        for lane in range(count):
            for k in range(width):
                tile[k, lane] = rows[start + lane, k]
        return
    # The last block of a row or column may overlap the one before it: it writes the same again.
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, side):
            k = min(j, width - side)
            _turn_block(rows, start + lane, k, tile, k, lane)


@compiled(inline=True)
def _turn_numbers_out(tile, rows, start, count):
    width = rows.shape[1]
    side = 32 // rows.itemsize
    if count < side or width < side:
        for lane in range(count):
            for k in range(width):
                rows[start + lane, k] = tile[k, lane]
        return
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, side):
            k = min(j, width - side)
            _turn_block(tile, k, lane, rows, start + lane, k)


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
