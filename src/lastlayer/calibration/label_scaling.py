"""Platt scaling of many labels: each label's scores take a slope and an offset, near those of all labels together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.functions import sigmoid

# Standard deviations of a label's slope, as a share of the common one, and of its offset, in nats, about the common
# ones (decisions/0012-many-labels.md); and of the common ones about 1 and 0.
_SLOPE_APART, _OFFSET_APART, _COMMON = 0.25, 0.5, 1.0
# The least slope, as a share of the common one, and that one's over the deviation of the scores, which are never turned
# round.
_LEAST_SLOPE, _ALL_BUT_FLAT = 0.01, 1e-3
_MOST_STEPS, _SMALL_STEP, _MOST_HALVINGS = 50, 1e-9, 30


class LabelScaling(NamedTuple):
    """p = sigmoid(beta z + bias): `beta` (K,) > 0 and `bias` (K,), both float64."""

    beta: NDArray[np.float64]
    bias: NDArray[np.float64]


def fit_label_scaling(
    logits: NDArray[Any], answers: Any, sample_weight: NDArray[np.float64] | None = None
) -> LabelScaling:
    """The slope and offset of each label's logits that its rows make most probable, shrunk to common ones.

    First one slope and one offset are fitted to the entries of all labels, under a normal prior about 1 and 0 of
    deviation 1, which a few dozen rows outweigh; then each label's own, under a normal prior about these of deviations
    0.25 of the slope and 0.5 nats: a label of few positive rows keeps the common ones, and one of many its own. All are
    finite, whatever the rows.

    Source: Platt 1999, Probabilistic outputs for support vector machines, equation 1; the prior in place of his
    smoothed targets.

    Args:
      logits: (N, K) scores of rows that the model was not trained on.
      answers: (N, K) CSC matrix; its stored entries are the labels that a row has.
      sample_weight: (N,) float64 >= 0, or None.
    """
    num_rows, num_labels = logits.shape
    weight = np.ones(num_rows) if sample_weight is None else sample_weight
    common = _newton(logits, answers, weight, np.array([[1.0], [0.0]]), np.array([[_COMMON], [_COMMON]]), together=True)
    spread = float(np.std(logits, dtype=np.float64))
    # Of scores that are all alike any slope is as good.
    common[0] = max(common[0, 0], _ALL_BUT_FLAT / spread) if spread > 0 else 1.0
    centre = np.repeat(common, num_labels, axis=1)
    apart = np.array([[_SLOPE_APART * common[0, 0]], [_OFFSET_APART]])
    beta, bias = _newton(logits, answers, weight, centre, apart, together=False)
    return LabelScaling(np.maximum(beta, _LEAST_SLOPE * common[0, 0]), bias)


def _newton(logits, answers, weight, centre, apart, *, together):
    """The (2, K) slopes and offsets, or (2, 1) of all labels together, of least loss under the prior."""

    def evaluate(point, which):
        losses, slopes, curvatures = np.zeros(len(which)), np.zeros((2, len(which))), np.zeros((3, len(which)))
        for place, k in enumerate(which):
            columns = range(logits.shape[1]) if together else (k,)
            for column in columns:
                z = logits[:, column].astype(np.float64)
                of_label = answers.indices[answers.indptr[column] : answers.indptr[column + 1]]
                m = point[0, place] * z + point[1, place]
                p = sigmoid(m)
                residual = weight * p
                residual[of_label] -= weight[of_label]
                mass = weight * p * (1 - p)
                losses[place] += weight @ np.logaddexp(0, m) - weight[of_label] @ m[of_label]
                slopes[:, place] += residual @ z, residual.sum()
                curvatures[:, place] += mass @ (z * z), mass @ z, mass.sum()
        off = (point - centre[:, which]) / apart
        losses += 0.5 * (off * off).sum(axis=0)
        slopes += off / apart
        curvatures[[0, 2]] += 1 / apart**2
        return losses, slopes, curvatures

    point, active = centre.copy(), np.arange(centre.shape[1])
    values = evaluate(point, active)
    for _ in range(_MOST_STEPS):
        losses, slopes, curvatures = values
        determinant = curvatures[0] * curvatures[2] - curvatures[1] ** 2
        step = (
            -np.stack(
                [
                    curvatures[2] * slopes[0] - curvatures[1] * slopes[1],
                    curvatures[0] * slopes[1] - curvatures[1] * slopes[0],
                ]
            )
            / determinant
        )
        length = np.ones(len(active))
        for _ in range(_MOST_HALVINGS):
            trial = evaluate(point[:, active] + length * step, active)
            worse = trial[0] > losses + 1e-12 * abs(losses)
            if not worse.any():
                break
            length[worse] *= 0.5
        point[:, active] += length * step
        moving = np.abs(length * step).max(axis=0) > _SMALL_STEP * (1 + np.abs(point[:, active]).max(axis=0))
        active = active[moving]
        if not active.size:
            break
        values = tuple(part[..., moving] for part in trial)
    return point
