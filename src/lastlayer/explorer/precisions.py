"""The same softmax in float64, float32 and float16, with and without subtracting the maximum."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll

DTYPES = ("float64", "float32", "float16")


def in_precisions(scores: NDArray[np.float64], beta: float, places: NDArray[np.intp]) -> dict[str, Any]:
    """Texts by dtype, with all the digits that tell one number of the dtype from the next.

    Args:
      scores: (K,).
      beta: inverse temperature, > 0.
      places: (rows,) which classes are shown.
    Returns: by dtype `naive`, as NumPy computes it in that dtype, and `stable`, the library's softmax of an array of
      that dtype: lists of texts, of the rows and then of the sum over all classes; `sum_of_exponentials`, of `naive`.
    """
    return {name: _in_dtype(scores, beta, places, np.dtype(name)) for name in DTYPES}


def _in_dtype(scores, beta, places, dtype):
    # What overflows, divides inf by inf and rounds to nothing here is what is to be seen.
    with np.errstate(all="ignore"):
        logits = scores.astype(dtype)
        exponentials = np.exp(dtype.type(beta) * logits)
        total = exponentials.sum(keepdims=True)
        naive = exponentials / total
        stable = ll.softmax(logits, beta=beta)
        return {
            "naive": _texts(np.append(naive[places], naive.sum())),
            "stable": _texts(np.append(stable[places], stable.sum())),
            "sum_of_exponentials": _texts(total)[0],
        }


def _texts(values):
    return ["NaN" if text == "nan" else text for text in values.astype(str).tolist()]
