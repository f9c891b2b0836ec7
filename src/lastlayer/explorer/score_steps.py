"""The steps of softmax for the rows that are shown, as the texts that stand in the table."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.explanation import Explanation, power_of_ten, short

MOST_ROWS = 1_000
LARGEST_POWER = {name: math.log10(float(np.finfo(name).max)) for name in ("float32", "float64")}
_SHORT_STEPS = ("beta_score", "shifted_exponential", "softmax")


def shown_places(scores: NDArray[np.float64], order: str) -> NDArray[np.intp]:
    """(at most MOST_ROWS,) index of the class in each row that is shown.

    Args:
      scores: (K,).
      order: "given" or "largest", which is the largest first and equals as they were given.
    """
    if order == "largest":
        return np.argsort(-scores, kind="stable")[:MOST_ROWS]
    return np.arange(min(len(scores), MOST_ROWS))


def step_texts(explanation: Explanation, places: NDArray[np.intp]) -> dict[str, Any]:
    """Texts of the cells by step, and of the sum and max rows, which are over all classes.

    Args:
      explanation: of K classes.
      places: (rows,) which of them are shown.
    """
    arrays = {name: getattr(explanation, name) for name in ("score", *_SHORT_STEPS)}
    powers = explanation.exponential_log10
    cells = {name: [short(value) for value in arrays[name][places].tolist()] for name in _SHORT_STEPS}
    cells["exponential"] = [power_of_ten(power) for power in powers[places].tolist()]
    largest = {name: short(array.max()) for name, array in arrays.items()}
    return {
        "steps": cells,
        "sum": {
            "exponential": power_of_ten(_sum_power(explanation)),
            **{name: short(arrays[name].sum()) for name in _SHORT_STEPS[1:]},
            "hardmax": "1",
        },
        "max": largest | {"exponential": power_of_ten(float(powers.max())), "hardmax": "1"},
    }


def overflows(explanation: Explanation, places: NDArray[np.intp]) -> dict[str, Any] | None:
    """Where exp leaves what a float holds, and what a softmax that does not subtract the maximum makes of it.

    Returns: None if float32 holds every exponential and their sum. Else `cells`, for each shown row 0, 1 (inf in
      float32) or 2 (in float64 too), and `sentence`.
    """
    powers = explanation.exponential_log10
    largest, total = float(powers.max()), _sum_power(explanation)
    names = [name for name, limit in LARGEST_POWER.items() if total > limit]
    if not names:
        return None
    of_one = [name for name in names if largest > LARGEST_POWER[name]]
    sentences = []
    if of_one:
        limits = " and ".join(f"10^{LARGEST_POWER[name]:.2f} (the largest {name})" for name in of_one)
        sentences.append(
            f"exp({short(explanation.beta_score.max())}) = {power_of_ten(largest)} is above {limits}. "
            f"Without subtracting the maximum, softmax in {' and '.join(of_one)} is inf / inf = NaN."
        )
    for name in names[len(of_one) :]:
        sentences.append(
            f"The sum of the exponentials, {power_of_ten(total)}, is above 10^{LARGEST_POWER[name]:.2f}, the largest "
            f"{name}: without subtracting the maximum, softmax in {name} is 0 for every class."
        )
    cells = np.sum([powers[places] > limit for limit in LARGEST_POWER.values()], axis=0)
    return {"cells": cells.tolist(), "sentence": " ".join(sentences)}


def score_scale(scores: NDArray[np.float64]) -> dict[str, float]:
    """What the handles of the scores move over: `least` and `most`, half a spread beyond the scores, and `step`.

    Args:
      scores: (K,), at least one of them finite.
    """
    finite = scores[np.isfinite(scores)]
    lowest, highest = float(finite.min()), float(finite.max())
    spread = highest / 4 - lowest / 4
    if spread > 1e306:
        return {"least": -1.7e308, "most": 1.7e308, "step": 1e306}
    size = max(abs(lowest), abs(highest))
    spread = max(4 * spread, 1e-6 * size) if highest > lowest else max(2.0, 1e-3 * size)
    unit = _round_up(spread / 4)
    least, most = (
        math.floor((lowest - spread / 2) / unit) * unit,
        math.ceil((highest + spread / 2) / unit) * unit,
    )
    digits = max(0, 2 - math.floor(math.log10(unit))) if unit > 1e-290 else None
    if digits is not None and digits <= 290 and unit < 1e6:
        least, most = round(least, digits), round(most, digits)
    return {"least": max(least, -1.7e308), "most": min(most, 1.7e308), "step": unit / 10}


def _round_up(value):
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-300)))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= value), 10 * power)


def _sum_power(explanation):
    """Decimal logarithm of the sum of the exponentials; infinite where beta * score is."""
    return math.inf if explanation.beta_score.max() == math.inf else explanation.exponential_sum_log10
