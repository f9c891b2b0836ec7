"""Sums as an unevaluated sum of two floats, high + low, so that nothing is lost to rounding.

Knuth, The Art of Computer Programming 2 (1998), section 4.2.2 (TwoSum). Compiled without fast-math: reassociation would
cancel every error term to 0.
"""

from lastlayer.kernels._compile import compiled


@compiled(inline=True)
def exact_sum(a, b):
    """`a + b` as (high, low), exactly, unless it overflows or an operand is not finite: then `low` is NaN."""
    high = a + b
    b_part = high - a
    return high, (a - (high - b_part)) + (b - b_part)
