"""Losses along the probability of the right class, which its score alone moves."""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.losses import (
    binary_cross_entropy_with_logits_value_and_grad,
    binary_likelihood_loss_value_and_grad,
    cross_entropy,
)

# As a page writes it; a line does not break after the sign.
MINUS_LOG_P = "\N{MINUS SIGN}log p"

_STOPS = np.array(
    [2e-4, 5e-4, 0.001, 0.002, 0.005]
    + [hundredth / 100 for hundredth in range(1, 100)]
    + [0.995, 0.998, 0.999, 0.9995, 0.9999]
)
_TOLD = (0.999, 0.9, 0.5, 0.1, 0.01, 0.001)


def loss_curve(scores: NDArray[Any], label: int, rest: float, smoothing: float) -> dict[str, list[Any] | None]:
    """Points of the curves.

    Args:
      scores: (K,); -inf marks a class as impossible.
      label: index of the right class.
      rest: logsumexp of the other scores.
      smoothing: label smoothing, 0 to 1.
    Returns: lists, one entry a point: "p", "loss" (-log p), "likelihood" (1 - p), "smoothed" (None without smoothing,
      or where it is infinite), and "score", what the score of the label must be for p, to four decimals; None where no
      score changes p, since no other class is possible.
    """
    stops = losses_at(tuple(_STOPS.tolist()))
    movable = math.isfinite(rest)
    reached = _margins(_STOPS) + rest
    smoothed = None
    if smoothing and movable:
        rows = np.tile(scores, (len(_STOPS), 1))
        rows[:, label] = reached
        losses = cross_entropy(rows, np.full(len(_STOPS), label), label_smoothing=smoothing)
        smoothed = losses.tolist() if np.isfinite(losses).all() else None
    return {
        "p": _STOPS.tolist(),
        "loss": [stop["loss"] for stop in stops],
        "likelihood": [stop["likelihood"] for stop in stops],
        "smoothed": smoothed,
        "score": [repr(round(score, 4)) for score in reached.tolist()] if movable else None,
    }


def loss_points() -> tuple[dict[str, float], ...]:
    """What a few probabilities of the right class cost, and the slopes of both losses by its score there."""
    return losses_at(_TOLD)


@cache
def losses_at(probabilities: tuple[float, ...]) -> tuple[dict[str, float], ...]:
    """Both losses of each probability of the right class, between 0 and 1, and their slopes by its score."""
    # They are those of a binary label whose sigmoid is p.
    margins, yes = _margins(np.array(probabilities)), np.ones(len(probabilities))
    entropy = binary_cross_entropy_with_logits_value_and_grad(margins, yes)
    likelihood = binary_likelihood_loss_value_and_grad(margins, yes)
    return tuple(
        {"p": p, "loss": loss, "slope": slope, "likelihood": other, "likelihood_slope": other_slope}
        for p, loss, slope, other, other_slope in zip(
            probabilities,
            entropy.losses.tolist(),
            entropy.gradient.tolist(),
            likelihood.losses.tolist(),
            likelihood.gradient.tolist(),
            strict=True,
        )
    )


def _margins(probabilities):
    """How far the score must be above the logsumexp of the others: sigmoid of it is p."""
    return np.log(probabilities) - np.log1p(-probabilities)
