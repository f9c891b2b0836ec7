"""Single machine instructions that Numba has no name for; LLVM vectorises each of them inside a loop.

None of them carries a fast-math flag, so exact arithmetic stays exact wherever it is inlined.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


class Vector(types.Type):
    """So many numbers of a type side by side; see `vectors`."""

    dtype: Any
    lanes: int

    def __init__(self, dtype: Any, lanes: int):
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


def instruction(function: Callable) -> Callable[..., Any]:
    """Numba's `intrinsic`, telling type checkers that callers leave the typing context out."""
    return intrinsic(function)


def broadcast(context: Any, builder: Any, value: Any, vector: Vector) -> Any:
    """A scalar in every lane of a vector, as LLVM's value."""
    kind, zero = context.get_value_type(vector), ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, zero)
    return builder.shuffle_vector(
        one, one, ir.Constant(ir.VectorType(ir.IntType(32), vector.lanes), [0] * vector.lanes)
    )


def suffix_of(kind: Any) -> str:
    """What LLVM appends to the name of an instruction for a type of its own: f32, v16f32."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix_of(kind.element)}"
    return {ir.FloatType(): "f32", ir.DoubleType(): "f64", ir.IntType(64): "i64"}[kind]


def _elementwise(kinds, emit):
    """The signature and the code of an instruction on operands of which some are vectors and the others scalars.

    `emit` takes the builder and the operands, all of one LLVM type; beside a vector, scalars take its own.
    """
    result = next((kind for kind in kinds if isinstance(kind, Vector)), kinds[0])

    def generate(context, builder, signature, arguments):
        if not isinstance(result, Vector):
            return emit(builder, *arguments)
        pairs = zip(kinds, arguments, strict=True)
        same = (v if isinstance(kind, Vector) else broadcast(context, builder, v, result) for kind, v in pairs)
        return emit(builder, *same)

    single = getattr(result, "dtype", result)
    return result(*(kind if isinstance(kind, Vector) else single for kind in kinds)), generate


@instruction
def fused_multiply_add(typing_context, a, b, c):
    """`a * b + c` with one rounding."""

    def emit(builder, a, b, c):
        name = f"llvm.fma.{suffix_of(a.type)}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
        return builder.call(function, [a, b, c])

    return _elementwise((a, b, c), emit)


@instruction
def larger(typing_context, a, b):
    """The larger of `a` and `b`, and `b` where one of them is NaN or they are -0.0 and 0.0."""

    def emit(builder, a, b):
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    return _elementwise((a, b), emit)


@instruction
def at_least(typing_context, a, bound):
    """`a`, or `bound` where `a` is below it; NaN stays, for a comparison with it is false."""

    def emit(builder, a, bound):
        return builder.select(builder.fcmp_ordered("<", a, bound), bound, a)

    return _elementwise((a, bound), emit)


@instruction
def where_at_least(typing_context, a, bound, yes, no):
    """`yes` where `a` reaches `bound`, else `no`, and so where either is NaN."""

    def emit(builder, a, bound, yes, no):
        return builder.select(builder.fcmp_ordered(">=", a, bound), yes, no)

    return _elementwise((a, bound, yes, no), emit)


@instruction
def where_equal(typing_context, a, b, yes, no):
    """`yes` where `a` equals `b`, else `no`, and so where either is NaN."""

    def emit(builder, a, b, yes, no):
        return builder.select(builder.fcmp_ordered("==", a, b), yes, no)

    return _elementwise((a, b, yes, no), emit)


@instruction
def low_bits_as_exponent(typing_context, value):
    """The float whose exponent field is what the lowest bits of `value` hold, and whose mantissa is that of 1."""

    def emit(builder, value):
        is_vector = isinstance(value.type, ir.VectorType)
        single = (value.type.element if is_vector else value.type) == ir.FloatType()
        whole, digits = (ir.IntType(32), 23) if single else (ir.IntType(64), 52)
        kind = ir.VectorType(whole, value.type.count) if is_vector else whole
        places = ir.Constant(kind, [digits] * value.type.count if is_vector else digits)
        return builder.bitcast(builder.shl(builder.bitcast(value, kind), places), value.type)

    return _elementwise((value,), emit)


@instruction
def exponent_and_fraction(typing_context, value):
    """(k, f) of a positive normal `value` = 2^k (1 + f), both in its type, with sqrt(1/2) <= 1 + f < sqrt(2)."""
    single = getattr(value, "dtype", value) == types.float32
    width, digits, bias = (32, 23, 127) if single else (64, 52, 1023)
    sqrt_half, one = (0x3F3504F3, 0x3F800000) if single else (0x3FE6A09E00000000, 0x3FF0000000000000)

    def generate(context, builder, signature, arguments):
        real = arguments[0].type
        lanes = real.count if isinstance(real, ir.VectorType) else 0
        whole = ir.VectorType(ir.IntType(width), lanes) if lanes else ir.IntType(width)

        def constant(number):
            return ir.Constant(whole, [number] * lanes if lanes else number)

        shifted = builder.add(builder.bitcast(arguments[0], whole), constant(one - sqrt_half))
        # From 32 bits, which every processor converts many at a time.
        small = ir.VectorType(ir.IntType(32), lanes) if lanes else ir.IntType(32)
        exponent = builder.sub(builder.ashr(shifted, constant(digits)), constant(bias))
        k = builder.sitofp(exponent if single else builder.trunc(exponent, small), real)
        mantissa = builder.and_(shifted, constant((1 << digits) - 1))
        near_one = builder.bitcast(builder.add(mantissa, constant(sqrt_half)), real)
        f = builder.fsub(near_one, ir.Constant(real, [1.0] * lanes if lanes else 1.0))
        return context.make_tuple(builder, signature.return_type, [k, f])

    return types.UniTuple(value, 2)(value), generate


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
