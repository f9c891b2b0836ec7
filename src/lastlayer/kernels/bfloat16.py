"""Matrix products of numbers rounded to bfloat16, in the tiles of Intel's AMX, added up in float32.

A bfloat16 is the upper half of a float32: as far a range, 8 bits of precision. Two of them make a word, and a tile is
16 rows of 16 words, 1 KiB. One instruction adds to a tile of 16 x 16 float32 the products of a tile of 16 rows of 32
numbers and one of 16 columns of as many; a word of the latter holds two numbers of one column (Intel 64 and IA-32
Architectures Software Developer's Manual, TDPBF16PS). Four sums are in registers, so that each tile that is loaded is
multiplied twice: operands come as panels of 32 rows or columns, the tiles of a step side by side.

    left: (I, S, 2, 16, 16) words, right: (J, S, P, 2, 16, 16), target: (32 I, 32 J)
    target[32 i + .., 32 j + ..] += sum over s, p of left[i, s] right[j, s, p]

P parts, which are added, keep more of a number than one does: 16 bits in two.
"""

import ctypes
import math
import platform
import sys
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils, config
from numpy.typing import DTypeLike, NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import instruction

# Rows or columns of a panel, of which a tile has half, and numbers of each that a step multiplies.
PANEL, STEP = 32, 32
# Words of a tile's row, and of a tile, and bytes of a line of the cache.
_ROW, _TILE, _LINE = 16, 256, 64
# System call by which a process of Linux on x86-64 asks for a state that threads save, and the state of tiles' data.
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18
# Rows of the next sums that are fetched in each step.
_FETCHED = 4
_SUMS, _LEFT, _RIGHT = range(4), (4, 5), (6, 7)


@cache
def has_tiles() -> bool:
    """Whether this processor multiplies tiles of bfloat16, kernels are compiled for it, and the system lets us."""
    compiled_for_host = getattr(config, "CPU_NAME", None) in (None, "host")
    if not (compiled_for_host and sys.platform == "linux" and platform.machine() == "x86_64"):
        return False
    features = get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-bf16")):
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Memory that begins with a line of the cache: a tile's row that lies in two is loaded several times as slowly."""
    count = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(count + _LINE, np.uint8)
    first = -memory.ctypes.data % _LINE
    return memory[first : first + count].view(dtype).reshape(shape)


def words_of(numbers: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Neighbours along the last axis, an even length, rounded to bfloat16: (..., M) to (..., M / 2) words."""
    halves = _upper_half(numbers)
    return (halves[..., ::2] >> np.uint32(16)) | halves[..., 1::2]


def right_panels(numbers: NDArray[np.float32], parts: int) -> NDArray[np.uint32]:
    """The columns of a right operand, (32 J, 32 S) with the numbers of a column side by side, in so many parts.

    A part is what the ones before it lack, rounded.
    """
    columns, steps = numbers.shape[0] // PANEL, numbers.shape[1] // STEP
    panels, rest = zeros((columns, steps, parts, 2, _ROW, _ROW), np.uint32), numbers
    for part in range(parts):
        words = words_of(rest).reshape(columns, 2, _ROW, steps, _ROW)
        panels[:, :, part] = words.transpose(0, 3, 1, 4, 2)
        rest = rest - _upper_half(rest).view(np.float32)
    return panels


def _upper_half(numbers):
    """The bits of float32, rounded to the nearest bfloat16, to even in the middle."""
    bits = numbers.view(np.uint32)
    half, one, place = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
    return (bits + half + ((bits >> place) & one)) & np.uint32(0xFFFF0000)


@compiled(inline=True)
def _word(low, high):
    """The word of two numbers, from their bits as float32."""
    half, one, place, upper = np.uint32(0x7FFF), np.uint32(1), np.uint32(16), np.uint32(0xFFFF0000)
    low = low + half + ((low >> place) & one)
    high = high + half + ((high >> place) & one)
    return (low >> place) | (high & upper)


@compiled
def pack_rows(bits, left, right):
    """Both operands that rows of features make: of their products with weights, and of those with residuals.

    Args:
      bits: (32 I, 32 S) uint32, float32 as they lie in memory.
      left: (I, S, 2, 16, 16), written: rows of it as rows.
      right: (S, I, 1, 2, 16, 16), written: its columns as columns, to be multiplied along the rows.
    """
    num_rows, num_features = bits.shape
    for row in range(num_rows):
        for step in range(num_features // STEP):
            target, first = left[row // PANEL, step, row % PANEL // _ROW, row % _ROW], step * STEP
            for w in range(_ROW):
                target[w] = _word(bits[row, first + 2 * w], bits[row, first + 2 * w + 1])
    for pair in range(num_rows // 2):
        for tile in range(num_features // _ROW):
            target, first = right[tile // 2, pair // _ROW, 0, tile % 2, pair % _ROW], tile * _ROW
            for w in range(_ROW):
                target[w] = _word(bits[2 * pair, first + w], bits[2 * pair + 1, first + w])


@compiled
def pack_columns(bits, left):
    """The left operand whose rows are the columns of a matrix.

    Args:
      bits: (32 S, 32 I or more) uint32, float32 as they lie in memory.
      left: (I, S, 2, 16, 16), written.
    """
    num_columns = PANEL * left.shape[0]
    for pair in range(bits.shape[0] // 2):
        step, w = pair // _ROW, pair % _ROW
        for column in range(num_columns):
            word = _word(bits[2 * pair, column], bits[2 * pair + 1, column])
            left[column // PANEL, step, column % PANEL // _ROW, column % _ROW, w] = word


def _call(builder, name, *operands):
    function = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
    builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.{name}"), operands)


def _prefetch(builder, address):
    """Ask for a line, into the second cache, to write it."""
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
    builder.call(function, [address, *(ir.Constant(number, value) for value in (1, 2, 1))])


def _tile(number):
    return ir.Constant(ir.IntType(8), number)


@instruction
def _use_tiles(typing_context):
    """Let this thread use eight tiles of 16 rows of 64 bytes, 0 each."""

    def generate(context, builder, signature, arguments):
        rows, columns = [16] * 8 + [0] * 8, [64, 0] * 8 + [0] * 16
        palette = bytearray([1, *[0] * 15, *columns, *rows])
        place = cgutils.global_constant(builder, "tiles", ir.Constant(ir.ArrayType(ir.IntType(8), 64), palette))
        _call(builder, "ldtilecfg", builder.bitcast(place, ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.none(), generate


@instruction
def _release_tiles(typing_context):
    def generate(context, builder, signature, arguments):
        _call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.none(), generate


@instruction
def _add_panel_products(typing_context, left, left_first, right, right_first, target, target_first, steps, following):
    """Add to 32 x 32 of a C-contiguous target the products of so many steps of a panel each, from an index on.

    `following` is the index of the 32 x 32 that come next, which are fetched meanwhile.
    """
    integer = ir.IntType(64)

    def generate(context, builder, signature, arguments):
        def array(position):
            return context.make_array(signature.args[position])(context, builder, arguments[position])

        def start(position):
            return builder.gep(array(position).data, [arguments[position + 1]])

        def address(base, offset):
            return builder.bitcast(builder.gep(base, [offset]), ir.IntType(8).as_pointer())

        def number(value):
            return ir.Constant(integer, value)

        left_data, right_data, target_data = start(0), start(2), start(4)
        width, parts = builder.extract_value(array(4).shape, 1), builder.extract_value(array(2).shape, 2)
        row_bytes = builder.mul(width, number(4))

        def sums_at(tile):
            offset = builder.add(builder.mul(width, number(16 * (tile // 2))), number(16 * (tile % 2)))
            return address(target_data, offset)

        for tile in _SUMS:
            _call(builder, "tileloadd64", _tile(tile), sums_at(tile), row_bytes)
        with cgutils.for_range(builder, arguments[6]) as along:
            for row in range(_FETCHED):
                ahead = builder.and_(builder.add(builder.mul(along.index, number(_FETCHED)), number(row)), number(31))
                ahead = builder.add(arguments[7], builder.mul(ahead, width))
                for half in (0, 16):
                    _prefetch(builder, address(array(4).data, builder.add(ahead, number(half))))
            of_left = builder.mul(along.index, number(2 * _TILE))
            for half, tile in enumerate(_LEFT):
                place = address(left_data, builder.add(of_left, number(half * _TILE)))
                _call(builder, "tileloadd64", _tile(tile), place, number(64))
            with cgutils.for_range(builder, parts) as part:
                of_right = builder.add(builder.mul(along.index, parts), part.index)
                of_right = builder.mul(of_right, number(2 * _TILE))
                for half, tile in enumerate(_RIGHT):
                    place = address(right_data, builder.add(of_right, number(half * _TILE)))
                    _call(builder, "tileloadd64", _tile(tile), place, number(64))
                for tile in _SUMS:
                    _call(builder, "tdpbf16ps", _tile(tile), _tile(_LEFT[tile // 2]), _tile(_RIGHT[tile % 2]))
        for tile in _SUMS:
            _call(builder, "tilestored64", _tile(tile), sums_at(tile), row_bytes)
        return context.get_dummy_value()

    index = types.intp
    return types.none(left, index, right, index, target, index, index, index), generate


@compiled
def add_products(left, right, target, height, stretch):
    """target[32 i + r, 32 j + c] += sum of left[i] times right[j]: (I, S, 2, 16, 16), (J, S, P, 2, 16, 16).

    Args:
      left: words.
      right: words.
      target: (32 I, 32 J or more) float32, C-contiguous.
      height: panels of `left` after which the product goes on to others; their sums stay in the second cache.
      stretch: steps after which it goes on to other panels; those of one stay in the first cache.
    """
    rows, steps = left.shape[:2]
    columns, parts, width = right.shape[0], right.shape[2], target.shape[1]
    _use_tiles()
    for top in range(0, rows, height):
        below = min(top + height, rows)
        for step in range(0, steps, stretch):
            count = min(stretch, steps - step)
            for j in range(columns):
                right_first = 2 * _TILE * parts * (j * steps + step)
                for i in range(top, below):
                    left_first, place = 2 * _TILE * (i * steps + step), PANEL * (i * width + j)
                    following = place + PANEL * width if i + 1 < below else PANEL * (top * width + (j + 1) % columns)
                    _add_panel_products(left, left_first, right, right_first, target, place, count, following)
    _release_tiles()
