"""The inverse temperature of a head's scores, from rows that the fit has not seen."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import checked_beta
from lastlayer.calibration import TemperatureWarning
from lastlayer.calibration.rows import CalibrationRows
from lastlayer.calibration.temperature import solve_temperature, too_few_rows
from lastlayer.estimators.labelled_rows import plain
from lastlayer.functions import log_softmax
from lastlayer.linear import HeadLogits
from lastlayer.losses import cross_entropy, nll
from lastlayer.metrics import ClassIndex


class CalibratedBeta(NamedTuple):
    """beta, and the mean log-loss of the rows, in nats, at beta = 1 and at this one."""

    beta: float
    log_loss_before: float
    log_loss_after: float


def label_indices(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The class indices (M,) of labels. Raises ValueError naming the first that is none of the classes."""
    index = ClassIndex(classes)
    known = index.knows(y)
    if not known.all():
        row = int(known.argmin())
        raise ValueError(
            f"y: row {row} is {plain(y[row])!r}, expected one of the {len(classes)} classes of the fit; "
            f"leave such rows out ({int((~known).sum())} of {len(y)})."
        )
    return index.find(y)


def calibrated_beta(
    logits: NDArray[Any] | HeadLogits, labels: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> CalibratedBeta:
    """The beta with the least log-loss. Warns whoever called `calibrate` where these rows leave it in doubt.

    Args:
      logits: (M, K), an array of which is overwritten.
      labels: (M,) class indices.
      weights: (M,) above 0, or None.
    """
    beta, doubt = solve_temperature(CalibrationRows(logits, labels, weights))
    doubt = too_few_rows(logits.shape[0], logits.shape[1], beta) if doubt is None else doubt
    if doubt is not None:
        warnings.warn(f"calibrate: {doubt}", TemperatureWarning, stacklevel=3)
    beta = checked_beta(beta)
    before, after = np.empty((2, len(labels)))
    blocks = [(slice(None), logits)] if isinstance(logits, np.ndarray) else logits.blocks(0, len(labels))
    for rows, block in blocks:
        before[rows] = cross_entropy(block, labels[rows])
        after[rows] = nll(log_softmax(block, beta=beta, out=block), labels[rows])
    return CalibratedBeta(beta, float(np.average(before, weights=weights)), float(np.average(after, weights=weights)))
