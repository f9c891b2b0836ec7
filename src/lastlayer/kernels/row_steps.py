"""One step of adaptive descent for some rows of a head, and what all rows owe to the steps that did not touch them.

A row that no step touches neither decays nor enters the average; both are made up for when it is touched next, in
closed form. The average after step t is that of the iterates with weights that grow as t³ (Shamir & Zhang 2013,
Stochastic gradient descent for non-smooth optimization, section 4, eta = 3), about the last quarter of them: what is
kept of the average of step s, if nothing moved until t, is s(s+1)(s+2)(s+3) / (t(t+1)(t+2)(t+3)).
"""

import math

from lastlayer.kernels._compile import compiled


@compiled
def step_rows(first, last, classes, of_weight, of_bias, with_bias, step, rate, metric, penalty, head, average, memory):
    """Move the rows of some classes by one step of AdaGrad with one sum of squares a row.

    With m the metric, u the row's sum of m g² over its steps, this one included, and r = rate / sqrt(u), a weight w
    becomes (w - r m g) / (1 + n r m penalty): g is its gradient, and n counts the steps since the row was touched last.

    Args:
      first: of `classes` that this call moves.
      last: the one after the last of them.
      classes: (R,) int64, each once.
      of_weight: (R, D) gradient of the weights.
      of_bias: (R,) gradient of the biases.
      with_bias: whether biases move.
      step: t, from 1 on.
      rate: of the steps.
      metric: (D,) float64.
      penalty: (D,) float64, the derivative of the penalty by w, divided by w.
      head: (K, D) weights and (K,) float64 biases.
      average: the same, averaged, or None where no average is kept.
      memory: (K,) float64 sums of squares and (K,) int64, the step that a row was touched in last.
    """
    weight, bias = head
    squares, touched = memory
    kept_until = _kept(step - 1)
    for r in range(first, last):
        k, square = classes[r], 0.0
        gradient, row = of_weight[r], weight[classes[r]]
        for d in range(row.size):
            g = float(gradient[d])
            square += metric[d] * g * g
        if with_bias:
            square += float(of_bias[r]) * float(of_bias[r])
        squares[k] += square
        length = rate / math.sqrt(squares[k]) if squares[k] > 0 else 0.0
        decay = (step - touched[k]) * length
        if average is not None:
            # Of the average until the step before this one, and then of this step's.
            keep = _kept(touched[k]) / kept_until if step > 1 else 0.0
            new = 4.0 / (step + 3.0)
            mean = average[0][k]
            for d in range(row.size):
                w = float(row[d])
                before = w + (float(mean[d]) - w) * keep
                w = (w - length * metric[d] * float(gradient[d])) / (1.0 + decay * metric[d] * penalty[d])
                row[d], mean[d] = w, before + new * (w - before)
            before = bias[k] + (average[1][k] - bias[k]) * keep
            if with_bias:
                bias[k] -= length * float(of_bias[r])
            average[1][k] = before + new * (bias[k] - before)
        else:
            for d in range(row.size):
                w = float(row[d]) - length * metric[d] * float(gradient[d])
                row[d] = w / (1.0 + decay * metric[d] * penalty[d])
            if with_bias:
                bias[k] -= length * float(of_bias[r])
        touched[k] = step


@compiled
def settle_rows(first, last, step, rate, metric, penalty, head, average, memory):
    """Give the rows first..last - 1 what they owe to the steps until `step` that did not touch them."""
    weight, bias = head
    squares, touched = memory
    until = _kept(step)
    for k in range(first, last):
        if touched[k] < step:
            keep, row, mean = _kept(touched[k]) / until, weight[k], average[0][k]
            decay = (step - touched[k]) * rate / math.sqrt(squares[k]) if squares[k] > 0 else 0.0
            for d in range(row.size):
                w = float(row[d])
                mean[d] = w + (float(mean[d]) - w) * keep
                row[d] = w / (1.0 + decay * metric[d] * penalty[d])
            average[1][k] = bias[k] + (average[1][k] - bias[k]) * keep
            touched[k] = step


@compiled(inline=True)
def _kept(step):
    t = float(step)
    return t * (t + 1.0) * (t + 2.0) * (t + 3.0)
