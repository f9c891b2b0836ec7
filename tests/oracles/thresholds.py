"""The best threshold by trying every one, in exact fractions."""

from fractions import Fraction


def score(objective, right, predicted, positive):
    """What a threshold is worth by whole counts, or None where it misses the target; larger is better."""
    match objective:
        case {"precision": target}:
            return right if predicted and Fraction(right, predicted) >= Fraction(str(target)) else None
        case {"recall": target}:
            return -predicted if Fraction(right, positive) >= Fraction(str(target)) else None
        case {"cost": (wrong, missed)}:
            return -(Fraction(wrong) * (predicted - right) + Fraction(missed) * (positive - right))
    return Fraction(2 * right, predicted + positive)


def best_threshold(probabilities, answers, objective):
    """The highest of the best thresholds, or None where a target cannot be met."""
    pairs = [(float(p), bool(y)) for p, y in zip(probabilities, answers, strict=True)]
    values, positive = sorted({p for p, _ in pairs if p > 0}, reverse=True), sum(y for _, y in pairs)
    tried = [(score(objective, 0, 0, positive), 2.0)] if "cost" in objective else []
    for value in values:
        predicted = [y for p, y in pairs if p >= value]
        tried.append((score(objective, sum(predicted), len(predicted), positive), value))
    tried = [(worth, value) for worth, value in tried if worth is not None]
    if not tried:
        return None
    best = max(worth for worth, _ in tried)
    value = max(value for worth, value in tried if worth == best)
    below = max((p for p, _ in pairs if p < value), default=0.0)
    if value > 1:
        wrong, missed = objective["cost"]
        return max(below, wrong / (wrong + missed))
    return (value + below) / 2


def smoothed_f1(probabilities, answers, threshold, smoothing):
    """F1 of the rows' counts and `smoothing` times those that the probabilities expect, in fractions."""
    pairs = [(Fraction(float(p)), int(y)) for p, y in zip(probabilities, answers, strict=True)]
    predicted = [(p, y) for p, y in pairs if p > Fraction(threshold)]
    right = sum(y for _, y in predicted) + smoothing * sum(p for p, _ in predicted)
    positive = sum(y for _, y in pairs) + smoothing * sum(p for p, _ in pairs)
    return 2 * right / ((1 + smoothing) * len(predicted) + positive)
