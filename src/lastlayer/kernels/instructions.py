"""Single machine instructions that Numba has no name for; LLVM vectorises each of them inside a loop.

None of them carries a fast-math flag that changes the value of a number, so exact arithmetic stays exact wherever it is
inlined.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_INTEGER_OF_SAME_WIDTH = {types.float32: types.int32, types.float64: types.int64}
_FLOAT_OF_SAME_WIDTH = {integer: real for real, integer in _INTEGER_OF_SAME_WIDTH.items()}


def instruction(function: Callable) -> Callable[..., Any]:
    """Numba's `intrinsic`, telling type checkers that callers leave the typing context out."""
    return intrinsic(function)


@instruction
def fused_multiply_add(typing_context, a, b, c):
    """`a * b + c` with one rounding."""

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        function = builder.module.declare_intrinsic("llvm.fma", [kind], ir.FunctionType(kind, [kind, kind, kind]))
        return builder.call(function, arguments)

    return a(a, a, a), generate


@instruction
def larger(typing_context, a, b):
    """The larger of `a` and `b`; either of them if one is NaN, or if they are -0.0 and 0.0."""

    def generate(context, builder, signature, arguments):
        flags = ("nnan", "nsz")
        is_larger = builder.fcmp_ordered(">", *arguments, flags=flags)
        return builder.select(is_larger, *arguments, flags=flags)

    return a(a, a), generate


@instruction
def bits_of(typing_context, value):
    """The bits of a float as the signed integer of the same width."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return _INTEGER_OF_SAME_WIDTH[value](value), generate


@instruction
def float_of_bits(typing_context, bits):
    """The float whose bits are those of a signed integer of the same width."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return _FLOAT_OF_SAME_WIDTH[bits](bits), generate


@instruction
def prefetch_to_read(typing_context, array, index):
    """Ask for the cache line of `array[index]`, a contiguous 1-d array, to read it later."""
    return types.none(array, types.intp), _prefetch_of(array, 0)


@instruction
def prefetch_to_write(typing_context, array, index):
    """Ask for the cache line of `array[index]`, a contiguous 1-d array, to write it later."""
    return types.none(array, types.intp), _prefetch_of(array, 1)


def _prefetch_of(array, write):
    def generate(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        keep, data_cache = 3, 1
        builder.call(function, [address, *(ir.Constant(number, value) for value in (write, keep, data_cache))])
        return context.get_dummy_value()

    return generate
