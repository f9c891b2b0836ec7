"""What a head computes, in float64 from its definition, and how far from it float32 arithmetic may be."""

import numpy as np

# Half the distance of two neighbouring float32 numbers at 1.
UNIT = 2.0**-24


def scores_and_bounds(features, coef, intercept):
    """Scores (N, K) of features (N, D) in float64, and bounds on what float32 makes of them.

    Weights and features are rounded once each, and a sum of D products and one more term, in any order, loses a unit
    each time (Higham 2002, section 3.1).
    """
    features, coef, intercept = (np.asarray(array, np.float64) for array in (features, coef, intercept))
    size = np.abs(features) @ np.abs(coef).T + np.abs(intercept)
    return features @ coef.T + intercept, 1.01 * (coef.shape[1] + 3) * UNIT * size


def softmax(logits):
    """Row by row in extended precision."""
    powers = np.exp(logits.astype(np.longdouble) - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64)


def sigmoid(logits):
    """Entry by entry in extended precision."""
    logits = logits.astype(np.longdouble)
    return (np.exp(-np.logaddexp(np.longdouble(0), -logits))).astype(np.float64)


def near_ties(features, coef, intercept, random_state):
    """`features`, moved to where their two best classes differ by a few units in the last place, in float32."""
    rng = np.random.default_rng(random_state)
    coef = np.asarray(coef, np.float64)
    scores = features @ coef.T + intercept
    second, best = np.argsort(scores, axis=1)[:, -2:].T
    rows = np.arange(len(features))
    apart = coef[best] - coef[second]
    gap = scores[rows, best] - scores[rows, second]
    wanted = rng.integers(-4, 5, len(features)) * UNIT * np.abs(scores[rows, best])
    return (features - ((gap - wanted) / (apart**2).sum(axis=1))[:, None] * apart).astype(np.float32)
