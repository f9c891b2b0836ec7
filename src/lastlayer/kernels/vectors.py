"""Vectors of 64 bytes as values: what a loop over a row is written with where a compiler's own vectors fall short.

A row of classes is rarely a whole number of vectors, and what is left over costs a compiler scalar code in each pass.
Here it is one more vector whose missing lanes hold a value of choice. LLVM splits a vector where registers are shorter.

A kernel calls these; arithmetic (`+ - *`, `/`) and the instructions of `instructions` take vectors too, beside scalars
which take its type and stand for all lanes.
"""

import operator
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import models, overload, register_model

from lastlayer.kernels.instructions import Vector, broadcast, instruction, suffix_of

VECTOR_BYTES = 64


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        lane = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(lane, kind.lanes))


def _vector_of(array):
    return Vector(array.dtype, VECTOR_BYTES * 8 // array.dtype.bitwidth)


def _pointer(context, builder, array, value, index, vector):
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [index]), context.get_value_type(vector).as_pointer())


@instruction
def lane_count(typing_context, array):
    """How many entries of an array fill a vector."""

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.intp, _vector_of(array).lanes)

    return types.intp(array), generate


@instruction
def load(typing_context, array, index):
    """The entries of a contiguous 1-d array from `index` on."""
    vector = _vector_of(array)

    def generate(context, builder, signature, arguments):
        address = _pointer(context, builder, array, arguments[0], arguments[1], vector)
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp), generate


@instruction
def load_first(typing_context, array, index, count, missing):
    """The `count` entries from `index` on in the first lanes, and the number `missing` in the others."""
    vector = _vector_of(array)

    def generate(context, builder, signature, arguments):
        value, index, count, missing = arguments
        return _masked_load(context, builder, array, value, index, vector, count, missing)

    return vector(array, types.intp, types.intp, array.dtype), generate


@instruction
def load_as(typing_context, like, array, index, count, missing):
    """load_first of a float64 array, converted to the type of the array `like`."""
    vector = _vector_of(like)

    def generate(context, builder, signature, arguments):
        _, value, index, count, missing = arguments
        source = Vector(array.dtype, vector.lanes)
        found = _masked_load(context, builder, array, value, index, source, count, missing)
        return found if source == vector else builder.fptrunc(found, context.get_value_type(vector))

    return vector(like, array, types.intp, types.intp, array.dtype), generate


@instruction
def load_labels(typing_context, like, labels, index, count):
    """`count` int64 labels from `index` on, as many int32 lanes as a vector of `like` has; -1 in the others."""
    vector = Vector(types.int32, _vector_of(like).lanes)

    def generate(context, builder, signature, arguments):
        _, value, index, count = arguments
        missing = context.get_constant(types.int64, -1)
        source = Vector(types.int64, vector.lanes)
        found = _masked_load(context, builder, labels, value, index, source, count, missing)
        return builder.trunc(found, context.get_value_type(vector))

    return vector(like, labels, types.intp, types.intp), generate


@instruction
def where_label(typing_context, labels, k, yes, no):
    """The vector `yes` in the lanes whose label is k, the vector `no` in the others."""

    def generate(context, builder, signature, arguments):
        labels_value, k, yes, no = arguments
        small = builder.trunc(k, ir.IntType(32))
        is_k = builder.icmp_signed("==", labels_value, broadcast(context, builder, small, labels))
        return builder.select(is_k, yes, no)

    return yes(labels, types.intp, yes, yes), generate


@instruction
def zero_unless_kept(typing_context, labels, vector):
    """`vector` in the lanes whose label is not negative, 0 in the others."""

    def generate(context, builder, signature, arguments):
        labels_value, value = arguments
        kept = builder.icmp_signed(">=", labels_value, ir.Constant(labels_value.type, None))
        return builder.select(kept, value, ir.Constant(value.type, None))

    return vector(labels, vector), generate


def _masked_load(context, builder, array, value, index, vector, count, missing):
    address = _pointer(context, builder, array, value, index, vector)
    rest = broadcast(context, builder, missing, vector)
    mask = _first_lanes(builder, count, vector.lanes)
    number = ir.IntType(32)
    kind = ir.FunctionType(rest.type, [address.type, number, mask.type, rest.type])
    name = f"llvm.masked.load.{suffix_of(rest.type)}.p0"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [address, ir.Constant(number, array.dtype.bitwidth // 8), mask, rest])


@instruction
def store(typing_context, array, index, vector):
    """Write a vector to the entries from `index` on of an array of its type."""
    if _vector_of(array) != vector:
        raise TypingError(f"store: received {vector}, expected {_vector_of(array)} like {array}.")

    def generate(context, builder, signature, arguments):
        value, index, written = arguments
        builder.store(written, _pointer(context, builder, array, value, index, vector), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), generate


@instruction
def store_first(typing_context, array, index, vector, count):
    """Write the first `count` lanes of a vector, to an array of its type or to a float64 one."""

    def generate(context, builder, signature, arguments):
        value, index, written, count = arguments
        stored = Vector(array.dtype, vector.lanes)
        address = _pointer(context, builder, array, value, index, stored)
        if array.dtype != vector.dtype:
            written = builder.fpext(written, context.get_value_type(stored))
        mask = _first_lanes(builder, count, vector.lanes)
        name = f"llvm.masked.store.{suffix_of(written.type)}.p0"
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [written.type, address.type, number, mask.type])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [written, address, ir.Constant(number, array.dtype.bitwidth // 8), mask])
        return context.get_dummy_value()

    return types.none(array, types.intp, vector, types.intp), generate


@instruction
def widened(typing_context, vector):
    """The numbers of a vector in float64, as many."""
    wide = Vector(types.float64, vector.lanes)

    def generate(context, builder, signature, arguments):
        return arguments[0] if wide == vector else builder.fpext(arguments[0], context.get_value_type(wide))

    return wide(vector), generate


@instruction
def filled(typing_context, array, number):
    """A vector for entries of an array with a number in each lane."""
    vector = _vector_of(array)

    def generate(context, builder, signature, arguments):
        return broadcast(context, builder, arguments[1], vector)

    return vector(array, array.dtype), generate


@instruction
def sum_of_lanes(typing_context, vector):
    """The sum of all lanes, each half added to the other."""
    return vector.dtype(vector), partial(_fold, lambda builder, a, b: builder.fadd(a, b))


@instruction
def largest_lane(typing_context, vector):
    """The largest lane; of no use where one is NaN."""

    def larger(builder, a, b):
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    return vector.dtype(vector), partial(_fold, larger)


def _fold(combine, context, builder, signature, arguments):
    value, length = arguments[0], signature.args[0].lanes
    while length > 1:
        length //= 2
        indices = ir.VectorType(ir.IntType(32), length)
        halves = [ir.Constant(indices, list(range(start, start + length))) for start in (0, length)]
        value = combine(builder, *(builder.shuffle_vector(value, value, half) for half in halves))
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


def _first_lanes(builder, count, length):
    number = ir.IntType(32)
    places = ir.Constant(ir.VectorType(number, length), list(range(length)))
    one = builder.insert_element(
        ir.Constant(places.type, ir.Undefined), builder.trunc(count, number), ir.Constant(number, 0)
    )
    everywhere = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(number, length), [0] * length))
    return builder.icmp_signed("<", places, everywhere)


def _arithmetic(name):
    @instruction
    def operation(typing_context, a, b):
        vector = a if isinstance(a, Vector) else b

        def generate(context, builder, signature, arguments):
            operands = [
                value if isinstance(kind, Vector) else broadcast(context, builder, value, vector)
                for kind, value in zip((a, b), arguments, strict=True)
            ]
            return getattr(builder, name)(*operands)

        return vector(*(kind if isinstance(kind, Vector) else vector.dtype for kind in (a, b))), generate

    return operation


def _overload(symbol, name):
    operation: Any = _arithmetic(name)

    @overload(symbol)
    def choose(a, b):
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: operation(a, b)
        return None


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _overload(_symbol, _name)
