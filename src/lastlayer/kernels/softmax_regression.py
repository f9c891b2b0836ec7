"""What a solver asks of cross-entropy when logits move along a line: Z(t) = Z + t (D + offset), row by row.

Logits are affine in the step, so that a trial step costs one sweep over an (n, K) block and no matrix product.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.instructions import larger


@compiled
def line_rows(logits, direction, offset, labels, weight, t, scratch):
    """Weighted cross-entropy at Z(t), and its first and second derivative in t.

    Args:
      logits: (n, K) block Z, float32 or float64.
      direction: (n, K) block D of the same type.
      offset: (K,) of the same type, added to every row of D.
      labels: (n,) int64.
      weight: (n,) float64 row weights.
      t: the step, in the type of the logits.
      scratch: (2, K) of the same type, overwritten.
    Returns: (loss, slope, curvature) in float64, summed over the block; rows are summed in the type of the logits.
    """
    loss = slope = curvature = 0.0
    row, speed = scratch[0], scratch[1]
    for i in range(logits.shape[0]):
        label = labels[i]
        # Measured from the label's own speed, so that the variance does not cancel for a confident right answer.
        label_speed = direction[i, label] + offset[label]
        top = _moved(logits[i], direction[i], offset, t, label_speed, row, speed)
        at_label = row[label]
        for k in range(row.size):
            row[k] = exponential(row[k] - top)
        total, first, second = _moments(row, speed)
        mean = first / total
        loss += weight[i] * (np.log(total) + np.float64(top) - np.float64(at_label))
        slope += weight[i] * mean
        curvature += weight[i] * max(0.0, second / total - mean * mean)
    return loss, slope, curvature


@compiled
def step_rows(logits, direction, offset, labels, weight, t, residual, masses, residual_sum):
    """Move Z to Z(t) in place, and write what the gradient needs: weight (p - 1 at the label).

    Args:
      logits: (n, K) block Z, overwritten by Z(t).
      direction: (n, K) block D, as are the following in line_rows.
      offset: (K,).
      labels: (n,).
      weight: (n,).
      t: the step.
      residual: (n, K) of the same type, written.
      masses: (K,) float64; weight p (1 - p) of each class is added.
      residual_sum: (K,) float64; the residuals of each class are added.
    Returns: the weighted loss of the block, float64.
    """
    loss = 0.0
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for i in range(logits.shape[0]):
        label, row = labels[i], residual[i]
        top = _stepped(logits[i], direction[i], offset, t, row)
        at_label = row[label]
        for k in range(row.size):
            row[k] = exponential(row[k] - top)
        label_share = row[label]
        row[label] = zero
        others = _sum(row)
        total = others + np.float64(label_share)
        loss += weight[i] * (np.log(total) + np.float64(top) - np.float64(at_label))
        scale, row_weight = row.dtype.type(1.0 / total), row.dtype.type(weight[i])
        for k in range(row.size):
            p = row[k] * scale
            row[k] = p * row_weight
            masses[k] += row[k] * (one - p)
        share = others / total
        row[label] = -weight[i] * share
        masses[label] += weight[i] * share * (1.0 - share)
        for k in range(row.size):
            residual_sum[k] += row[k]
    return loss


@compiled
def uncertainty_rows(logits, weight, factors, row, uncertainty):
    """Write weight times the sum over classes of factor p (1 - p) for each row.

    Args:
      logits: (n, K) block, float32 or float64.
      weight: (n,) float64 row weights.
      factors: (K,) float64.
      row: (K,) of the logits' type, overwritten.
      uncertainty: (n,) float64, written.
    """
    for i in range(logits.shape[0]):
        top = logits[i, 0]
        for k in range(row.size):
            top = larger(top, logits[i, k])
        for k in range(row.size):
            row[k] = exponential(logits[i, k] - top)
        scale = 1.0 / _sum(row)
        total = 0.0
        for k in range(row.size):
            p = row[k] * scale
            total += factors[k] * (p * (1.0 - p))
        uncertainty[i] = weight[i] * total


@compiled(inline=True)
def _moved(logits, direction, offset, t, label_speed, row, speed):
    for k in range(row.size):
        v = direction[k] + offset[k]
        row[k] = logits[k] + t * v
        speed[k] = v - label_speed
    top = row[0]
    for k in range(row.size):
        top = larger(top, row[k])
    return top


@compiled(inline=True)
def _stepped(logits, direction, offset, t, row):
    for k in range(row.size):
        row[k] = logits[k] + t * (direction[k] + offset[k])
    top = row[0]
    for k in range(row.size):
        top = larger(top, row[k])
        logits[k] = row[k]
    return top


@compiled(inline=True, fastmath={"reassoc", "contract"})
def _moments(row, speed):
    total = first = second = row.dtype.type(0)
    for k in range(row.size):
        weighted = row[k] * speed[k]
        total += row[k]
        first += weighted
        second += weighted * speed[k]
    return np.float64(total), np.float64(first), np.float64(second)


@compiled(inline=True, fastmath={"reassoc"})
def _sum(row):
    total = row.dtype.type(0)
    for k in range(row.size):
        total += row[k]
    return np.float64(total)
