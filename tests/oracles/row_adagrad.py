"""Row-wise AdaGrad from its definition: every row at every step, and the average as a sum over all iterates."""

import numpy as np


def descend(weight, bias, squares, steps, *, rate, metric, penalty, with_bias):
    """(weight, bias, average weight, average bias, squares) after `steps`, a list of (classes, of_weight, of_bias).

    The average weighs the iterate of step t by t (t + 1) (t + 2). A row pays what it owes to the penalty when it is
    touched, and in the end.
    """
    weight, bias, squares = weight.astype(float).copy(), bias.astype(float).copy(), squares.copy()
    touched = np.zeros(len(weight), int)
    sums, weights = [np.zeros_like(weight), np.zeros_like(bias)], 0.0
    for t, (classes, of_weight, of_bias) in enumerate(steps, 1):
        for k, g, b in zip(classes, of_weight.astype(float), of_bias.astype(float), strict=True):
            squares[k] += (metric * g**2).sum() + (b**2 if with_bias else 0)
            length = rate / np.sqrt(squares[k])
            weight[k] = (weight[k] - length * metric * g) / (1 + (t - touched[k]) * length * metric * penalty)
            bias[k] -= length * b if with_bias else 0
            touched[k] = t
        share = t * (t + 1) * (t + 2)
        sums[0] += share * weight
        sums[1] += share * bias
        weights += share
    average = sums[0] / weights, sums[1] / weights
    for k in range(len(weight)):
        if squares[k] > 0:
            weight[k] /= 1 + (len(steps) - touched[k]) * rate / np.sqrt(squares[k]) * metric * penalty
    return weight, bias, *average, squares
