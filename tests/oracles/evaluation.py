"""Every figure of an evaluation from its definition: Python loops, math.fsum, exact fractions."""

import math
from fractions import Fraction


def evaluation(probabilities, labels, *, top_k, bins):
    """A dict of the figures of lists of float rows and int labels; undefined ratios are NaN."""
    rows, num_classes = len(labels), len(probabilities[0])
    ranking = [sorted(range(num_classes), key=lambda k, row=row: (-row[k], k)) for row in probabilities]
    predictions = [order[0] for order in ranking]
    pairs = list(zip(predictions, labels, strict=True))
    right = [prediction == label for prediction, label in pairs]
    confidence = [max(row) for row in probabilities]

    precision, recall, f1, support = [], [], [], []
    for k in range(num_classes):
        true_positive = sum(p == k and y == k for p, y in pairs)
        false_positive = sum(p == k and y != k for p, y in pairs)
        false_negative = sum(p != k and y == k for p, y in pairs)
        support.append(true_positive + false_negative)
        precision.append(_ratio(true_positive, true_positive + false_positive))
        recall.append(_ratio(true_positive, support[-1]))
        f1.append(_ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative))

    members = [[] for _ in range(bins)]
    for i, p in enumerate(confidence):
        members[min(math.ceil(Fraction(p) * bins) - 1, bins - 1)].append(i)
    gaps = [
        len(group) / rows * abs(_mean(right[i] for i in group) - _mean(confidence[i] for i in group))
        for group in members
        if group
    ]
    return {
        "rows": rows,
        "num_classes": num_classes,
        "accuracy": _mean(right),
        "top_k": min(top_k, num_classes),
        "top_k_accuracy": _mean(y in order[:top_k] for order, y in zip(ranking, labels, strict=True)),
        "log_loss": _mean(
            -math.log(row[y]) if row[y] > 0 else math.inf for row, y in zip(probabilities, labels, strict=True)
        ),
        "brier": _mean(
            math.fsum((p - (k == y)) ** 2 for k, p in enumerate(row))
            for row, y in zip(probabilities, labels, strict=True)
        ),
        "ece": math.fsum(gaps),
        "mean_confidence": _mean(confidence),
        "balanced_accuracy": _mean(r for r in recall if not math.isnan(r)),
        "macro_f1": _mean(f for f in f1 if not math.isnan(f)),
        "weighted_f1": math.fsum(f * n for f, n in zip(f1, support, strict=True) if n) / rows,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "support": support,
        "bin_rows": [len(group) for group in members],
    }


def _ratio(part, whole):
    return part / whole if whole else math.nan


def _mean(values):
    values = [float(value) for value in values]
    return math.fsum(values) / len(values)
