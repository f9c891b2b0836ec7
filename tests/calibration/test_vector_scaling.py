import numpy as np
import pytest

import lastlayer as ll
from lastlayer.calibration.vector_scaling import (
    VectorScaling,
    _centred,
    _path,
    apply_vector_scaling,
    fit_vector_scaling,
)
from tests.oracles.calibration import by_vector


def drawn(rng, rows, factors, shifts):
    logits = rng.normal(size=(rows, len(factors))) * 2
    p = apply_vector_scaling(logits, VectorScaling(factors, shifts))
    return logits, (np.log(p) + rng.gumbel(size=p.shape)).argmax(axis=1)


def test_probabilities_are_their_definition():
    rng = np.random.default_rng(0)
    logits, factors, shifts = rng.normal(size=(6, 5)) * 3, rng.random(5).tolist(), rng.normal(size=5).tolist()
    logits[1, 2] = -np.inf
    found = apply_vector_scaling(logits, VectorScaling(tuple(factors), tuple(shifts)))
    for row, p in zip(logits.tolist(), found, strict=True):
        np.testing.assert_allclose(p, [float(q) for q in by_vector(row, factors, shifts)], rtol=1e-12, atol=1e-300)


def test_a_path_ends_where_the_penalised_loss_is_least():
    rng = np.random.default_rng(1)
    logits, labels = drawn(rng, 50, (1.0, 0.5, 1.5), (0.5, 0.0, -0.5))
    logits[0, (labels[0] + 1) % 3] = -np.inf
    weight = rng.exponential(size=50)
    ((changes, shifts),) = _path(_centred(logits), labels, weight, 0.9, (0.05,))

    def penalised(parameters):
        w, b = np.split(parameters, 2)
        rows = (by_vector(row, (0.9 * (1 + w)).tolist(), b.tolist()) for row in logits.tolist())
        losses = [-float(np.log(float(p[y]))) for p, y in zip(rows, labels, strict=True)]
        return weight @ losses / weight.sum() + 0.025 * parameters @ parameters

    found = np.r_[changes, shifts]
    for k in range(6):
        step = 1e-3 * np.eye(6)[k]
        assert abs(penalised(found + step) - penalised(found - step)) / 2e-3 < 1e-4


def test_classes_that_are_predicted_too_often_are_repaired():
    rng = np.random.default_rng(2)
    logits, labels = drawn(rng, 4000, (1.0,) * 4, (1.5, 0.0, 0.0, -1.5))
    beta = ll.fit_temperature(logits, labels)
    shifts = np.array(fit_vector_scaling(logits, labels, None, beta).shifts)
    np.testing.assert_allclose(shifts - shifts.mean(), [1.5, 0, 0, -1.5], atol=0.2)


def test_few_honest_rows_keep_the_temperature():
    logits, labels = drawn(np.random.default_rng(3), 80, (0.7,) * 10, (0.0,) * 10)
    beta = ll.fit_temperature(logits, labels)
    found = fit_vector_scaling(logits, labels, None, beta)
    np.testing.assert_allclose(found.factors, beta, rtol=0.02)
    np.testing.assert_allclose(found.shifts, 0, atol=0.05)


@pytest.mark.parametrize("rows", [1, 2])
def test_rows_that_are_fewer_than_the_folds(rows):
    found = fit_vector_scaling(np.array([[0.0, 1.0], [2.0, 0.0]])[:rows], np.array([0, 1])[:rows], None, 0.7)
    assert np.isfinite(found).all()
