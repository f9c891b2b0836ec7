"""log(high + low) for high >= 1, accurate relative to the result even where it is near 0, vectorisable by LLVM.

The argument is split as 2^k (1 + f) with |f| < 0.42; log(1 + f) comes from the series of atanh in s = f / (2 + f), as
in FreeBSD's msun (e_log.c, Sun Microsystems 1993; e_logf.c). `low` enters as its first-order term low / high, which
makes this log1p where high rounds to 1.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lastlayer.kernels.instructions import exponent_and_fraction

_LN2_HIGH_32, _LN2_LOW_32 = np.float32(6.9313812256e-01), np.float32(9.0580006145e-06)
_TWO_32, _HALF_32 = np.float32(2), np.float32(0.5)
_SERIES_32 = tuple(np.float32(c) for c in (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693))
_LN2_HIGH_64, _LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SERIES_64 = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)


def logarithm(high: Any, low: Any) -> Any:
    """log(high + low) as float32 or float64, whichever both are; a kernel calls it, Python does not.

    Args:
      high: at least 1 and finite, or NaN.
      low: the error term of `high`; NaN where the result is to be NaN.
    """
    raise NotImplementedError


def _logarithm32(high, low):
    k, f = exponent_and_fraction(high)
    s = f / (_TWO_32 + f)
    z = s * s
    series = ((_SERIES_32[0] * z + _SERIES_32[1]) * z + _SERIES_32[2]) * z + _SERIES_32[3]
    half_square = _HALF_32 * f * f
    tail = s * (half_square + z * series) + (k * _LN2_LOW_32 + low / high)
    return k * _LN2_HIGH_32 - ((half_square - tail) - f)


def _logarithm64(high, low):
    k, f = exponent_and_fraction(high)
    s = f / (2.0 + f)
    z = s * s
    series = _SERIES_64[0]
    series = series * z + _SERIES_64[1]
    series = series * z + _SERIES_64[2]
    series = series * z + _SERIES_64[3]
    series = series * z + _SERIES_64[4]
    series = series * z + _SERIES_64[5]
    series = series * z + _SERIES_64[6]
    half_square = 0.5 * f * f
    tail = s * (half_square + z * series) + (k * _LN2_LOW_64 + low / high)
    return k * _LN2_HIGH_64 - ((half_square - tail) - f)


@overload(logarithm, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_logarithm(high, low):
    if high != low:
        return None
    return {types.float32: _logarithm32, types.float64: _logarithm64}.get(getattr(high, "dtype", high))
