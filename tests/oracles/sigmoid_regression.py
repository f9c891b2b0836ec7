"""Logistic regression of one label from the definition, in float64, by Newton's method."""

import numpy as np


def objective(X, y, sample_weight, w, b, C):
    """sum_i s_i BCE(x_i w + b, y_i) / sum_i s_i + ||w||² / (2 C sum_i s_i)."""
    X, w, s = (np.asarray(a, np.float64) for a in (X, w, sample_weight))
    z = X @ w + float(b)
    losses = np.where(y, np.logaddexp(0, -z), np.logaddexp(0, z))
    return float((s @ losses + w @ w / (2 * C)) / s.sum())


def optimum(X, y, sample_weight, C, fit_intercept=True):
    """(w, b) of the least objective, by Newton steps that are halved until it falls."""
    X, y, s = np.asarray(X, np.float64), np.asarray(y, bool), np.asarray(sample_weight, np.float64)
    A = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    penalty = np.diag(np.r_[np.ones(X.shape[1]), 0.0][: A.shape[1]] / C)
    theta = np.zeros(A.shape[1])

    def value(theta):
        return objective(X, y, s, theta[: X.shape[1]], theta[X.shape[1]] if fit_intercept else 0.0, C)

    for _ in range(100):
        p = 1 / (1 + np.exp(-(A @ theta)))
        gradient = A.T @ (s * (p - y)) + penalty @ theta
        hessian = (A.T * (s * p * (1 - p))) @ A + penalty
        step = np.linalg.solve(hessian, gradient)
        t = 1.0
        while value(theta - t * step) > value(theta) and t > 1e-10:
            t /= 2
        theta = theta - t * step
        if np.abs(step).max() < 1e-12 * (1 + np.abs(theta).max()):
            break
    return theta[: X.shape[1]], theta[X.shape[1]] if fit_intercept else 0.0
