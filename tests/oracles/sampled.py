"""Sampled losses and their gradients from the definition, class by class and row by row, in float64 and 60 digits.

Corrected logits are z - log(expected count) of the distinct true classes of a row and of its candidates, each as often
as it was drawn, but for those that are true classes of the row.
"""

import numpy as np
from mpmath import mp, mpf

from tests.oracles.softmax import DIGITS


def losses_and_gradients(features, weight, bias, labels, candidates, sample_weight, *, binary, remove=True):
    """(losses, features, weight, bias): dense float64 arrays, gradients of the sum of weighted losses."""
    X, W = np.asarray(features, np.float64), np.asarray(weight, np.float64)
    b = np.zeros(len(W)) if bias is None else np.asarray(bias, np.float64)
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    losses, of_features, of_weight, of_bias = np.zeros(len(X)), np.zeros_like(X), np.zeros_like(W), np.zeros_like(b)
    for i, row in enumerate(X):
        true = sorted({int(label) for label in np.atleast_1d(labels[i]) if label >= 0})
        drawn = [
            (int(c), float(count))
            for c, count in zip(candidates.indices, candidates.log_expected_count, strict=True)
            if not (remove and c in true)
        ]
        counted = [(t, float(candidates.log_expected_count_of(np.array([t]))[0])) for t in true] + drawn
        classes = [c for c, _ in counted]
        with mp.workdps(DIGITS):
            logits = [
                mp.fsum(mpf(x) * mpf(w) for x, w in zip(row, W[c], strict=True)) + mpf(b[c]) - mpf(count)
                for c, count in counted
            ]
            loss, slopes = (_binary if binary else _softmax)(logits, len(true))
        losses[i] = float(loss)
        for c, slope in zip(classes, slopes, strict=True):
            residual = s[i] * float(slope)
            of_features[i] += residual * W[c]
            of_weight[c] += residual * row
            of_bias[c] += residual
    return losses, of_features, of_weight, of_bias


def _softmax(logits, num_true):
    if not num_true:
        return mpf(0), [mpf(0)] * len(logits)
    top = max(logits)
    exponentials = [mp.exp(z - top) for z in logits]
    total = mp.fsum(exponentials)
    log_total = mp.log(total) + top
    loss = mp.fsum(log_total - z for z in logits[:num_true]) / num_true
    share = [mpf(1) / num_true] * num_true + [mpf(0)] * (len(logits) - num_true)
    return loss, [e / total - t for e, t in zip(exponentials, share, strict=True)]


def _binary(logits, num_true):
    signed = [-z for z in logits[:num_true]] + logits[num_true:]
    slopes = [1 / (1 + mp.exp(-z)) for z in signed]
    loss = mp.fsum(mp.log1p(mp.exp(z)) for z in signed)
    return loss, [-p for p in slopes[:num_true]] + slopes[num_true:]
