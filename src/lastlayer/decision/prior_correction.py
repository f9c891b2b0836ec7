"""Probabilities for other shares of the classes than those of the fit."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_float_array, result_dtype, rounded
from lastlayer.decision.probability_rows import as_distributions, blocks_of


def correct_prior(probabilities: ArrayLike, *, fitted_prior: ArrayLike, prior: ArrayLike) -> NDArray[np.floating[Any]]:
    """Probabilities of a model that saw classes in the shares `fitted_prior`, for rows that have them in `prior`.

    p(k) prior(k) / fitted_prior(k), normalised: what Bayes' rule makes of the same likelihoods. A fit with
    `class_weight` saw each class in the share of its rows times its weight, "balanced" all alike; back at the shares of
    the data, probabilities and costs mean what they say. Source: Saerens, Latinne & Decaestecker 2002, Adjusting the
    Outputs of a Classifier to New a Priori Probabilities, equation 2.4.

    Args:
      probabilities: (N, K), rows of distributions.
      fitted_prior: (K,) above 0: shares, or counts, or rows times weight; only their ratios matter.
      prior: (K,) of the rows to decide, at least 0 and not all 0; only ratios matter.
    Returns: (N, K) in the dtype of `probabilities`, computed in float64.
    Raises: ValueError for another shape or a number that is not allowed, if a row is no distribution, or if it has
      probability only for classes that `prior` excludes, naming the first such row.

    >>> correct_prior([[0.5, 0.5]], fitted_prior=[1, 1], prior=[9, 1]).round(6).tolist()  # balanced, back to 9 to 1
    [[0.9, 0.1]]
    """
    rows = as_distributions(probabilities)
    old = _as_prior(fitted_prior, "fitted_prior", rows.shape[1], allow_zero=False)
    new = _as_prior(prior, "prior", rows.shape[1], allow_zero=True)
    with np.errstate(divide="ignore"):
        exponents = np.log(new) - np.log(old)
    factors = np.exp(exponents - exponents.max())
    corrected = np.empty(rows.shape, rows.dtype)
    for where in blocks_of(rows):
        products = rows[where] * factors
        totals = products.sum(axis=1, keepdims=True)
        if not totals.all():
            row = where.start + int((totals[:, 0] == 0).argmax())
            raise ValueError(f"probabilities: row {row} has none for a class that prior allows, expected some.")
        corrected[where] = products / totals
    return rounded(corrected, result_dtype(probabilities))


def _as_prior(values, name, num_classes, *, allow_zero):
    prior = np.asarray(as_float_array(values, name), dtype=np.float64)
    if prior.shape != (num_classes,):
        raise ValueError(f"{name}: shape is {prior.shape}, expected ({num_classes},), one number for each class.")
    bad = ~(np.isfinite(prior) & (prior >= 0 if allow_zero else prior > 0))
    if bad.any():
        k = int(bad.argmax())
        expected = "a finite number that is not negative" if allow_zero else "a finite number above 0"
        raise ValueError(f"{name}: class {k} is {prior[k]}, expected {expected}.")
    if not prior.any():
        raise ValueError(f"{name}: every class is 0, expected at least one above it.")
    return prior
