"""The steps of an explanation as the text of a table's cells."""

import math
from typing import TYPE_CHECKING, Any, TypedDict

from numpy.typing import NDArray

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

_LARGEST_PLAIN = 1e7
_SMALLEST_PLAIN = 1e-4
_LARGEST_POWER, _SMALLEST_POWER = math.log10(_LARGEST_PLAIN), math.log10(_SMALLEST_PLAIN)


class Texts(TypedDict):
    """Cells by the name of their step: score, beta_score, exponential, shifted_exponential, softmax, hardmax, loss.

    Attributes:
      steps: K cells each.
      sum: one cell each; a step whose sum says nothing has none.
      max: one cell each.
    """

    steps: dict[str, list[str]]
    sum: dict[str, str]
    max: dict[str, str]


def texts_of(explanation: "Explanation") -> Texts:
    """Every cell as text; see `short` and `power_of_ten`."""
    every = explanation
    powers, shifted, softmax = every.exponential_log10, every.shifted_exponential, every.softmax
    return {
        "steps": {
            "score": _shorts(every.score),
            "beta_score": _shorts(every.beta_score),
            "exponential": [power_of_ten(power) for power in powers.tolist()],
            "shifted_exponential": _shorts(shifted),
            "softmax": _shorts(softmax),
            "hardmax": ["1" if one else "0" for one in every.hardmax.tolist()],
            "loss": _shorts(every.loss),
        },
        "sum": {
            "exponential": power_of_ten(every.exponential_sum_log10),
            "shifted_exponential": short(shifted.sum()),
            "softmax": short(softmax.sum()),
            "hardmax": "1",
        },
        "max": {
            "score": short(every.score.max()),
            "beta_score": short(every.beta_score.max()),
            "exponential": power_of_ten(float(powers.max())),
            "shifted_exponential": short(shifted.max()),
            "softmax": short(softmax.max()),
            "hardmax": "1",
            "loss": short(every.loss.max()),
        },
    }


def short(value: float) -> str:
    """Four decimals, or three digits and an exponent where those would show too little or too much.

    >>> short(0.65900114), short(-0.0), short(2e-7), short(float("-inf"))
    ('0.6590', '0.0000', '2.00e-07', '-inf')
    """
    value = float(value) + 0.0  # no "-0.0000"
    if value == 0 or _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        return f"{value:.4f}"
    return f"{value:.2e}" if math.isfinite(value) else f"{value}"


def power_of_ten(log10: float) -> str:
    """The number whose decimal logarithm is `log10`, beyond the largest float too: as `short`, or as a power of ten.

    >>> power_of_ten(0.4342944819), power_of_ten(214.9757685421), power_of_ten(float("-inf"))
    ('2.7183', '10^214.976', '0.0000')
    """
    if log10 == -math.inf or _SMALLEST_POWER <= log10 < _LARGEST_POWER:
        return short(10.0**log10)
    return f"10^{log10:.3f}" if log10 < _LARGEST_PLAIN else f"10^{log10:.2e}"


def _shorts(values: NDArray[Any]) -> list[str]:
    # Most cells are plain, and the test for it is a tenth of the price of a call.
    return [f"{value:.4f}" if _SMALLEST_PLAIN <= value < _LARGEST_PLAIN else short(value) for value in values.tolist()]
