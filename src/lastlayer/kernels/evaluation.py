"""What each row of probabilities says about its label: the choice, how sure it was, where the label came."""

import numpy as np

from lastlayer.kernels._compile import compiled


@compiled
def evaluate_rows(probabilities, labels, tolerance, chosen, confidence, of_label, above_label, squared_error):
    """Fill five (n,) arrays from an (n, K) block of probabilities, its labels already checked.

    A row whose label is negative is not looked at, and its entries stay as they are.

    Args:
      probabilities: (n, K) float32 or float64.
      labels: (n,) int64, below K.
      tolerance: how far a row's sum may be from 1, and an entry above 1.
      chosen: (n,) int64, receives the class of the largest probability, the first of equals.
      confidence: (n,) float64, receives that probability.
      of_label: (n,) float64, receives the probability of the label.
      above_label: (n,) int64, receives how many classes come before the label: those more probable, and those
        equally probable with a lower index.
      squared_error: (n,) float64, receives the sum over classes of (p - [class is the label])².
    Returns: the first row that is no distribution, where the work stopped; -1 if every row is one.
    """
    for i in range(labels.size):
        label = labels[i]
        if label < 0:
            continue
        row = probabilities[i]
        own = row[label]
        before, after = row[:label], row[label + 1 :]
        sum_before, squares_before = _sum_and_squares(before)
        sum_after, squares_after = _sum_and_squares(after)
        smallest, largest = _extremes(row)
        total = sum_before + np.float64(own) + sum_after
        # Written so that NaN, for which every comparison is false, is refused too.
        if not (smallest >= 0.0 and largest <= 1.0 + tolerance and abs(total - 1.0) <= tolerance):
            return i
        above = _count_at_least(before, own) + _count_above(after, own)
        chosen[i] = label if above == 0 else _first_equal(row, largest)
        confidence[i] = largest
        of_label[i] = own
        above_label[i] = above
        missing = 1.0 - np.float64(own)
        squared_error[i] = squares_before + missing * missing + squares_after
    return -1


# These loops run over the whole of what they are given: a start that the compiler cannot prove to be positive would
# bring in the handling of negative indices, and the loop would not vectorise.


@compiled(fastmath={"reassoc"}, inline=True)
def _sum_and_squares(values):
    total = 0.0
    squares = 0.0
    for j in range(values.size):
        p = np.float64(values[j])
        total += p
        squares += p * p
    return total, squares


@compiled(inline=True)
def _extremes(values):
    smallest = values[0]
    largest = values[0]
    for j in range(values.size):
        smallest = values[j] if values[j] < smallest else smallest
        largest = values[j] if values[j] > largest else largest
    return smallest, largest


@compiled(inline=True)
def _count_at_least(values, bound):
    count = 0
    for j in range(values.size):
        count += values[j] >= bound
    return count


@compiled(inline=True)
def _count_above(values, bound):
    count = 0
    for j in range(values.size):
        count += values[j] > bound
    return count


@compiled(inline=True)
def _first_equal(values, largest):
    # A loop that may leave at every step is not vectorised: count in strides, then look closely at one stride only.
    j = 0
    while _count_at_least(values[j : j + 64], largest) == 0:
        j += 64
    while values[j] != largest:
        j += 1
    return j
