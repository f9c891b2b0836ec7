"""The rows that a calibration is fitted on, and their losses at any inverse temperatures."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, as_float_array, as_labels, as_sample_weight
from lastlayer._blocks import dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.temperature import slope_rows, temperature_rows
from lastlayer.linear import HeadLogits

# Logits worth a dispatch to another thread.
_DISPATCH = 1 << 15
# More than one, since a pass may begin while another library's threads still spin.
_BLOCKS_PER_THREAD = 4
# The kernel asks for the type of its sums by an array.
_DOUBLE = np.empty(0)
# Between them d^2 exp(beta d), at most about beta^-2, is at its largest a normal float32, and so are sums of it.
_LEAST, _MOST = 2.0**-24, 2.0**60
# The kernel's bound on the roundings of float32.
_ROUNDINGS = 44 * 2.0**-24
# Logits of a share that are worth a copy of theirs, side by side: tens of megabytes.
_COPIED = 1 << 24


class CalibrationRows:
    """Rows of logits with labels and weights, and the figures of each at the last beta, swept or skimmed.

    `kept` picks the rows whose weight is not 0.
    `losses`, `slopes` and `curvatures` are (n,) the rows' -ln p(label) and its derivatives with respect to the row's
    beta, `shortfalls` how far the label's logit lies below the largest, all of the `count` rows whose weight is not 0.
    `loss`, `slope`, `curvature` and `shortfall` are their weighted means. `single` says whether `skim` is quicker than
    `sweep`.
    """

    def __init__(
        self,
        logits: ArrayLike | HeadLogits,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        some_rows: bool = False,
    ):
        """Take (N, K) logits, K >= 2, (N,) labels and weights, all 0 where `some_rows` of all are meant.

        HeadLogits are worked out anew in each pass.

        Raises: as `fit_temperature`.
        """
        # An array is converted block by block; anything else must become an array first.
        self._logits = logits if isinstance(logits, np.ndarray | HeadLogits) else as_float_array(logits, "logits")
        if self._logits.ndim != 2:
            raise ValueError(f"logits: shape is {self._logits.shape}, expected (N, K), a row of scores for each label.")
        num_rows, num_classes = self._logits.shape
        if num_classes < 2:
            raise ValueError(
                f"logits: shape is {self._logits.shape}, expected at least 2 columns; binary scores s are the two "
                "columns (0, s)."
            )
        if num_rows == 0:
            raise ValueError("logits: no rows, expected at least one row to calibrate on.")
        self._labels = without_read_only_flag(as_labels(labels, num_classes, (num_rows,)))
        weight = as_sample_weight(sample_weight, num_rows, some_rows=some_rows)
        self.kept: Any = slice(None) if weight is None else np.flatnonzero(weight)
        self.weight: NDArray[np.float64] | None = None if weight is None else weight[self.kept]
        self._of_rows = tuple(np.empty(num_rows) for _ in range(4))
        # What as_float_array makes float32.
        self.single: bool = self._logits.dtype.kind == "f" and self._logits.dtype.itemsize <= 4
        self.count: int = num_rows if weight is None else len(self.kept)
        self.shape: tuple[int, int] = (num_rows, num_classes)
        self.loss: float = math.nan
        self.slope: float = math.nan
        self.curvature: float = math.nan
        self.shortfall: float = math.nan
        self.losses: NDArray[np.float64]
        self.slopes: NDArray[np.float64]
        self.curvatures: NDArray[np.float64]
        self.shortfalls: NDArray[np.float64]

    def every(self, step: int) -> "CalibrationRows":
        """Every `step`-th row, as rows of their own."""
        weight = None
        if self.weight is not None:
            weight = np.zeros(len(self._labels))
            weight[self.kept] = self.weight
            weight = weight[::step]
        if isinstance(self._logits, HeadLogits):
            logits = self._logits.every(step)
        else:
            logits = self._logits[::step]
            if logits.size <= _COPIED:
                logits = _side_by_side(logits)
        return CalibrationRows(logits, self._labels[::step], weight, some_rows=True)

    def sweep(self, beta: float | NDArray[np.float64]) -> None:
        """Work out every figure at `beta` >= 0, a number or one for each of the N rows, in one pass over the logits."""
        betas = np.full(len(self._labels), beta) if isinstance(beta, (int, float)) else beta

        def work(part, block):
            figures = (values[part] for values in self._of_rows)
            temperature_rows(block, self._labels[part], betas[part], _DOUBLE, *figures)

        self._walk(work)
        self.losses = self._of_rows[0][self.kept]
        self.loss = self.mean(self.losses)

    def skim(self, beta: float) -> None:
        """Work out all figures but the losses at `beta` >= 0 in one pass, of float32 logits in float32: see `rounding`.

        Logits in float64 are swept, and all logits are at a beta at which the moments might leave float32's range.
        """
        if not self.single or not _LEAST <= beta <= _MOST:
            self.sweep(beta)
            return
        scale = scale_of(beta, np.float32)
        self._walk(
            lambda part, block: slope_rows(
                block, self._labels[part], scale, *(values[part] for values in self._of_rows[1:])
            )
        )

    def rounding(self, beta: float) -> float:
        """The most by which float32 can have made `slope` wrong, where the last pass was `skim(beta)`."""
        if not self.single:
            return 0.0
        pulls = self.shortfalls - self.slopes
        pull = self.mean(pulls)
        pulls *= pulls
        return _ROUNDINGS * (pull + beta * (self.curvature + self.mean(pulls)))

    def entropies(self, beta: float) -> NDArray[np.float64]:
        """(N,) the entropy of each row's softmax(beta z) over ln K, from 0 to 1; 0 for a row of weight 0."""
        self.sweep(beta)
        entropies = np.zeros(len(self._labels))
        # The loss is ln of the sum less beta z(label), and its slope E[z] - z(label).
        entropies[self.kept] = (self.losses - beta * self.slopes) / math.log(self.shape[1])
        return np.clip(entropies, 0, 1)

    def mean(self, values: NDArray[np.float64]) -> float:
        """The weighted mean of a figure (n,) of the rows whose weight is not 0."""
        return float(values.mean() if self.weight is None else np.average(values, weights=self.weight))

    def check(self) -> None:
        """Raise ValueError, naming the first row, unless every row had finite derivatives, and so a finite loss."""
        # A mean is finite only if every row is.
        if not math.isfinite(self.slope + self.curvature + self.shortfall):
            fine = np.isfinite(sum(self._of_rows[1:]))[self.kept]
            if fine.all():  # finite numbers whose sum is not
                return
            bad = int(fine.argmin())
            row = bad if isinstance(self.kept, slice) else int(self.kept[bad])
            raise ValueError(_what_is_wrong(row, self._logits[row], self._labels[row]))

    def _walk(self, work):
        """Call work(part, block) on dense blocks of all rows, on every core, and take in what it wrote."""
        logits = self._logits

        def over(start, stop):
            blocks = (
                logits.blocks(start, stop)
                if isinstance(logits, HeadLogits)
                else dense_blocks(logits, start, stop, "logits")
            )
            for part, block in blocks:
                work(part, block)

        run_blocks(
            over,
            len(self._labels),
            items_per_block=max(1, _DISPATCH // self._logits.shape[1]),
            blocks_per_thread=_BLOCKS_PER_THREAD,
        )
        self.slopes, self.curvatures, self.shortfalls = (values[self.kept] for values in self._of_rows[1:])
        self.slope, self.curvature = self.mean(self.slopes), self.mean(self.curvatures)
        self.shortfall = self.mean(self.shortfalls)


def _side_by_side(apart: NDArray[Any]) -> NDArray[Any]:
    """The same rows in memory of their own, copied on every core."""
    num_rows, num_classes = apart.shape
    rows = np.empty((num_rows, num_classes), apart.dtype)
    run_blocks(
        lambda start, stop: np.copyto(rows[start:stop], apart[start:stop]),
        num_rows,
        items_per_block=max(1, _DISPATCH // num_classes),
    )
    return rows


def _what_is_wrong(row: int, logits: NDArray[Any], label: Integer) -> str:
    bad = np.isnan(logits) | (logits == np.inf)
    if bad.any():
        k = int(bad.argmax())
        return f"logits: row {row} has {logits[k]} for class {k}, expected a finite number, or -inf where impossible."
    if logits.max() == -np.inf:
        return f"logits: row {row} is all -inf, expected at least one possible class; drop the row."
    if logits[label] == -np.inf:
        return f"labels: row {row} is class {label}, whose logit is -inf, expected a possible class; drop the row."
    return f"logits: row {row} spans more than float64 can square, expected less than 1e154; divide logits by a number."
