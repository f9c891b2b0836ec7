"""Turning short rows into columns and back, a square block of vector registers at a time."""

from llvmlite import ir
from numba import types

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import instruction


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
def turn_in(rows, start, count, tile):
    """tile[0, :, lane] = rows[start + lane] for each lane below `count`."""
    columns, width = tile[0], rows.shape[1]
    side = 32 // rows.itemsize
    if count < side or width < side:
        for lane in range(count):
            for k in range(width):
                columns[k, lane] = rows[start + lane, k]
        return
    # The last block of a row or column may overlap the one before it: it writes the same again.
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, side):
            k = min(j, width - side)
            _turn_block(rows, start + lane, k, columns, k, lane)


@compiled(inline=True)
def turn_out(tile, rows, start, count):
    """rows[start + lane] = tile[0, :, lane] for each lane below `count`."""
    columns, width = tile[0], rows.shape[1]
    side = 32 // rows.itemsize
    if count < side or width < side:
        for lane in range(count):
            for k in range(width):
                rows[start + lane, k] = columns[k, lane]
        return
    for i in range(0, count, side):
        lane = min(i, count - side)
        for j in range(0, width, side):
            k = min(j, width - side)
            _turn_block(columns, k, lane, rows, start + lane, k)
