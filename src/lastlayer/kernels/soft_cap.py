"""The bias and the soft cap of logits, cap tanh(z / cap), and the cap's slope."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import exponential_minus_one
from lastlayer.kernels.instructions import where_at_least
from lastlayer.kernels.vectors import load, store


@compiled
def complete_tile(logits, bias, cap):
    """Add the bias (T,), or None, to a tile (V, T, lanes), and cap it softly unless `cap` is 0."""
    for v in range(logits.shape[0]):
        for k in range(logits.shape[1]):
            row = logits[v, k]
            z = load(row, 0)
            if bias is not None:
                z = z + bias[k]
            store(row, 0, capped(z, cap) if cap != 0.0 else z)


@compiled(inline=True)
def capped(z, cap):
    """Cap tanh(z / cap) of a vector, to a few units in the last place; NaN stays."""
    minus_twice = z * (-2.0 / cap)
    lower = where_at_least(minus_twice, 0.0, minus_twice * -1.0, minus_twice)  # -2 |z / cap|
    less = exponential_minus_one(lower)
    size = less / (less + 2.0) * cap  # minus the absolute value
    return where_at_least(minus_twice, 0.0, size, size * -1.0)


@compiled(inline=True)
def slope_of_cap(z, cap):
    """The slope of the cap where it is the vector z, 1 - (z / cap)²."""
    ratio = z * (1.0 / cap)
    return ratio * ratio * -1.0 + 1.0
