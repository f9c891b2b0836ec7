"""Sums as an unevaluated sum of two floats, high + low, so that nothing is lost to rounding.

Knuth, The Art of Computer Programming 2 (1998), section 4.2.2 (TwoSum). Compiled without fast-math: reassociation would
cancel every error term to 0.
"""

import numpy as np

from lastlayer.kernels._compile import compiled

# Two units in the last place of float32, and more than one of float64.
_SLACK = np.float32(2.0**-22)


@compiled(inline=True)
def exact_sum(a, b):
    """`a + b` as (high, low), exactly, unless it overflows or an operand is not finite: then `low` is NaN."""
    high = a + b
    b_part = high - a
    return high, (a - (high - b_part)) + (b - b_part)


@compiled(inline=True)
def surely_below(top, reach):
    """A number that is at most `top + reach` whatever rounding does, and not much less; reach < 0."""
    total = top + reach
    return total - abs(total) * _SLACK
