"""Every step from one row of scores to probabilities."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Number, as_float_array, checked_beta, refuse_foreign
from lastlayer.explanation.explanation import Explanation
from lastlayer.functions import hardmax, log_softmax, softmax

_FEW = 8


def explain(
    logits: ArrayLike,
    *,
    beta: Number = 1.0,
    classes: ArrayLike | None = None,
    label: str | Number | None = None,
) -> Explanation:
    """Every step from one row of scores to probabilities and losses in nats: to print, or to show in a notebook.

    The numbers are those of `softmax`, `log_softmax` and `hardmax` in float64, into which scores of any other kind are
    taken as they are.

    Args:
      logits: (K,) scores; -inf marks a class as impossible.
      beta: inverse temperature, > 0.
      classes: (K,) names or numbers, what the classes are called; None for 0 to K - 1.
      label: the right class, whose loss is told: one of `classes`, or, unless these are numbers, its index.
    Returns: an Explanation.
    Raises: TypeError for a torch tensor or what is no row of numbers; ValueError for NaN, +inf, nothing but -inf, no
      classes, more than one row, a beta out of range, or names and a label that do not fit.
    >>> print(explain([2.0, 1.0, 0.1], classes=["cat", "dog", "cow"], label="cat"))
    class   score  beta*score      exp  shifted  softmax  hardmax  -log p
    -----  ------  ----------  -------  -------  -------  -------  ------
    cat    2.0000      2.0000   7.3891   1.0000   0.6590        1  0.4170
    dog    1.0000      1.0000   2.7183   0.3679   0.2424        0  1.4170
    cow    0.1000      0.1000   1.1052   0.1496   0.0986        0  2.3170
    -----  ------  ----------  -------  -------  -------  -------  ------
    sum                        11.2125   1.5174   1.0000        1
    max    2.0000      2.0000   7.3891   1.0000   0.6590        1  2.3170
    loss of cat = -log 0.6590 = 0.4170
    exp      exp(beta*score); inf above 10^38.53 in float32, 10^308.25 in float64
    shifted  exp(beta*(score - max)), never above 1; softmax is this over its sum
    """
    scores, beta = _scores(logits), checked_beta(beta)
    given = _given(classes, len(scores))
    with np.errstate(over="ignore", under="ignore"):
        scaled = beta * scores
        powers = scaled / math.log(10)
        shifted = np.exp(beta * (scores - scores.max()))
    steps = {
        "score": scores,
        "beta_score": scaled,
        "exponential_log10": powers,
        "shifted_exponential": shifted,
        "softmax": softmax(scores, beta=beta),
        "hardmax": hardmax(scores),
        "loss": 0.0 - log_softmax(scores, beta=beta),  # never -0.0
    }
    for array in steps.values():
        array.setflags(write=False)
    return Explanation(tuple(map(str, given)), beta, _index(label, given), **steps)


def _scores(logits: ArrayLike) -> NDArray[np.float64]:
    """A copy of the scores: what is explained stays as it is."""
    scores = np.array(as_float_array(logits, "logits"), np.float64)
    if scores.ndim != 1:
        remedy = "; pass one of them, such as logits[0]" if scores.ndim > 1 else ""
        raise ValueError(f"logits: shape is {scores.shape}, expected one row of scores, (K,){remedy}.")
    if not len(scores):
        raise ValueError("logits: shape is (0,), expected at least one class.")
    wrong = np.isnan(scores) | (scores == math.inf)
    if wrong.any():
        entry = int(wrong.argmax())
        raise ValueError(
            f"logits: entry {entry} is {scores[entry]}, expected finite numbers, or -inf for a class that "
            "is impossible."
        )
    if scores.max() == -math.inf:
        raise ValueError("logits: every class is impossible (-inf), expected at least one finite score.")
    return scores


def _given(classes: ArrayLike | None, count: int) -> Sequence[Any]:
    """The names or numbers of the classes, as they were given."""
    if classes is None:
        return [str(index) for index in range(count)]
    refuse_foreign(classes, "classes")
    if isinstance(classes, str | bytes) or not (isinstance(classes, Sequence) or hasattr(classes, "__array__")):
        raise TypeError(f"classes: received {type(classes).__name__}, expected a list of names, one for each score.")
    given: list[Any] = list(classes) if isinstance(classes, Sequence) else np.atleast_1d(np.asarray(classes)).tolist()
    if len(given) != count:
        raise ValueError(f"classes: received {len(given)} names, expected {count}, one for each score.")
    for entry, name in enumerate(given):
        if not isinstance(name, str) and not _is_number(name):
            raise TypeError(f"classes: entry {entry} is {type(name).__name__}, expected a name or a number.")
    return given


def _index(label: str | Number | None, classes: Sequence[Any]) -> int | None:
    if label is None:
        return None
    refuse_foreign(label, "label")
    if not isinstance(label, str) and not _is_number(label):
        raise TypeError(f"label: received {type(label).__name__}, expected one of the classes, or the index of one.")
    named = isinstance(label, str) or not all(isinstance(name, str) for name in classes)
    places = [place for place, name in enumerate(classes) if _is_same(name, label)] if named else [label]
    if len(places) > 1:
        raise ValueError(f"label: {label!r} stands at {places[0]} and at {places[1]} of classes, expected its index.")
    if not places:
        some = ", ".join(map(repr, classes[:_FEW])) + (", ..." if len(classes) > _FEW else "")
        raise ValueError(f"label: received {label!r}, expected one of the classes ({some}).")
    return _checked_index(places[0], len(classes))


def _checked_index(index: Any, count: int) -> int:
    if not isinstance(index, int | np.integer) or isinstance(index, bool):
        raise TypeError(f"label: received {index!r}, expected the name of a class, or an index from 0 to {count - 1}.")
    if not 0 <= index < count:
        raise ValueError(f"label: received {index}, but logits have {count} classes (0 to {count - 1}).")
    return int(index)


def _is_same(name: Any, label: Any) -> bool:
    return isinstance(name, str) == isinstance(label, str) and bool(name == label)


def _is_number(value: object) -> bool:
    return isinstance(value, bool | np.bool_ | int | np.integer | float | np.floating)
