"""Every figure of an evaluation from its definition: Python loops, math.fsum, exact fractions."""

import math
from fractions import Fraction


def weighted_evaluation(probabilities, labels, weights, *, top_k, bins):
    """A dict of the figures of rows with weights, floats >= 0, in exact fractions where the figure is rational."""
    weights = [Fraction(weight) for weight in weights]
    kept = [i for i, weight in enumerate(weights) if weight > 0]
    num_classes = len(probabilities[0])
    total = sum(weights[i] for i in kept)

    def share(condition, of=None):
        """Weight of the rows for which `condition` holds, over the weight of those for which `of` holds."""
        whole = total if of is None else sum((weights[i] for i in kept if of(i)), Fraction(0))
        part = sum((weights[i] for i in kept if condition(i) and (of is None or of(i))), Fraction(0))
        return float(part / whole) if whole else math.nan

    def mean(value):
        terms = [(weights[i], value(i)) for i in kept]
        if any(math.isinf(term) for _, term in terms):
            return math.inf
        return float(sum(weight * Fraction(term) for weight, term in terms) / total)

    order = {i: sorted(range(num_classes), key=lambda k, i=i: (-probabilities[i][k], k)) for i in kept}
    prediction = {i: order[i][0] for i in kept}
    confidence = {i: probabilities[i][prediction[i]] for i in kept}

    def is_right(i):
        return prediction[i] == labels[i]

    classes = range(num_classes)
    support = [sum((weights[i] for i in kept if labels[i] == k), Fraction(0)) for k in classes]
    recall = [share(is_right, of=lambda i, k=k: labels[i] == k) for k in classes]
    precision = [share(is_right, of=lambda i, k=k: prediction[i] == k) for k in classes]
    f1 = []
    for k in classes:
        given = sum((weights[i] for i in kept if prediction[i] == k), Fraction(0))
        both = sum((weights[i] for i in kept if prediction[i] == labels[i] == k), Fraction(0))
        f1.append(_ratio(2 * both, given + support[k]))
    bin_of = {i: min(math.ceil(Fraction(confidence[i]) * bins) - 1, bins - 1) for i in kept}
    bin_weight = [sum((weights[i] for i in kept if bin_of[i] == m), Fraction(0)) for m in range(bins)]
    ece = Fraction(0)
    for m in range(bins):
        # weight of the bin x |accuracy - confidence| = |sum of weight x (right - confidence)|
        members = [i for i in kept if bin_of[i] == m]
        ece += abs(sum((weights[i] * (is_right(i) - Fraction(confidence[i])) for i in members), Fraction(0)))
    return {
        "rows": len(kept),
        "num_classes": num_classes,
        "accuracy": share(is_right),
        "top_k": min(top_k, num_classes),
        "top_k_accuracy": share(lambda i: labels[i] in order[i][:top_k]),
        "log_loss": mean(lambda i: -math.log(p) if (p := probabilities[i][labels[i]]) > 0 else math.inf),
        "brier": mean(lambda i: math.fsum((p - (k == labels[i])) ** 2 for k, p in enumerate(probabilities[i]))),
        "ece": float(ece / total),
        "mean_confidence": mean(lambda i: confidence[i]),
        "balanced_accuracy": _mean(r for r in recall if not math.isnan(r)),
        "macro_f1": _mean(f for f in f1 if not math.isnan(f)),
        "weighted_f1": float(sum(Fraction(f) * s for f, s in zip(f1, support, strict=True) if s) / total),
        "precision": precision,
        "recall": recall,
        "f1": [float(f) for f in f1],
        "support": [float(weight) for weight in support],
        "bin_rows": [float(weight) for weight in bin_weight],
    }


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
