"""Softmax regression by its definition, in float64, on problems small enough for a dense Hessian."""

import numpy as np


def objective(features, labels, sample_weight, weight, intercept, C):
    """scikit-learn's objective: weighted mean cross-entropy + ||W||² / (2 C sum s), in long doubles."""
    weight = np.asarray(weight, np.longdouble)
    scores = np.asarray(features, np.longdouble) @ weight.T + intercept
    top = scores.max(axis=1)
    losses = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(len(scores)), labels]
    return float((sample_weight @ losses + (weight**2).sum() / (2 * C)) / np.sum(sample_weight))


def optimum(features, labels, sample_weight, num_classes, C, fit_intercept=True):
    """(weight, intercept) of the least objective, by damped Newton steps on the dense Hessian of scaled columns."""
    features = np.asarray(features, np.float64)
    rows, columns = features.shape
    scales = np.abs(features).max(axis=0)
    scales[scales == 0] = 1
    features = features / scales
    design = np.hstack([features, np.ones((rows, 1))]) if fit_intercept else features
    width, share = design.shape[1], np.asarray(sample_weight, np.float64) / np.sum(sample_weight)
    penalty = np.zeros((num_classes, width))
    penalty[:, :columns] = 1 / (C * np.sum(sample_weight)) / scales**2
    indicator = np.eye(num_classes)[labels]

    def value(theta):
        scores = design @ theta.T
        top = scores.max(axis=1, keepdims=True)
        losses = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0] - (scores * indicator).sum(axis=1)
        return share @ losses + 0.5 * (penalty * theta**2).sum()

    theta = np.zeros((num_classes, width))
    for _ in range(200):
        scores = design @ theta.T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = ((p - indicator) * share[:, None]).T @ design + penalty * theta
        if np.abs(gradient).max() < 1e-13:
            break
        blocks = np.einsum("n,nk,kl,ni,nj->kilj", share, p, np.eye(num_classes), design, design, optimize=True)
        blocks -= np.einsum("n,nk,nl,ni,nj->kilj", share, p, p, design, design, optimize=True)
        hessian = blocks.reshape(num_classes * width, -1) + np.diag(penalty.ravel())
        # Adding one number to every intercept changes nothing: the least-squares step leaves it alone.
        step = np.linalg.lstsq(hessian, -gradient.ravel(), rcond=1e-13)[0].reshape(theta.shape)
        scale, before = 1.0, value(theta)
        while value(theta + scale * step) > before and scale > 1e-8:
            scale /= 2
        if scale <= 1e-8:  # no step is left that rounding does not take back
            break
        theta = theta + scale * step
    if not fit_intercept:
        return theta / scales, np.zeros(num_classes)
    return theta[:, :-1] / scales, theta[:, -1] - theta[:, -1].mean()
