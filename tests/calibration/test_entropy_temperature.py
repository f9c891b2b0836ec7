import numpy as np
import pytest

import lastlayer as ll
from lastlayer.calibration.entropy_temperature import EntropyBetas, apply_entropy_betas, fit_entropy_betas
from lastlayer.calibration.rows import CalibrationRows
from tests.oracles.calibration import by_entropy, entropy_loss


def drawn(rng, rows, num_classes, beta, betas):
    logits = rng.normal(size=(rows, num_classes)) * 2
    p = apply_entropy_betas(logits, beta, betas)
    return logits, (np.log(p) + rng.gumbel(size=p.shape)).argmax(axis=1)


def test_probabilities_are_their_definition():
    logits = np.random.default_rng(0).normal(size=(6, 5)) * 3
    logits[1, 2] = -np.inf
    found = apply_entropy_betas(logits, 0.8, EntropyBetas(0.5, 1.7))
    for row, p in zip(logits.tolist(), found, strict=True):
        np.testing.assert_allclose(p, [float(q) for q in by_entropy(row, 0.8, 0.5, 1.7)], rtol=1e-12, atol=1e-300)


def test_the_loss_is_least_in_both_numbers():
    rng = np.random.default_rng(1)
    logits, labels = drawn(rng, 60, 4, 0.8, EntropyBetas(0.6, 1.2))
    logits[0, (labels[0] + 1) % 4] = -np.inf
    weight = rng.exponential(size=60)
    beta = ll.fit_temperature(logits, labels, sample_weight=weight)
    found = fit_entropy_betas(CalibrationRows(logits, labels, weight), beta)
    rows = logits.tolist(), labels.tolist(), weight.tolist(), beta
    least = entropy_loss(*rows, *found)
    for step in ((1e-4, 0), (-1e-4, 0), (0, 1e-4), (0, -1e-4)):
        assert entropy_loss(*rows, found.certain + step[0], found.uncertain + step[1]) > least
    assert least < entropy_loss(*rows, beta, beta)


def test_the_two_numbers_are_recovered():
    logits, labels = drawn(np.random.default_rng(2), 40_000, 6, 0.8, EntropyBetas(0.6, 1.2))
    found = fit_entropy_betas(CalibrationRows(logits, labels), 0.8)
    assert found.certain == pytest.approx(0.6, abs=0.03)
    assert found.uncertain == pytest.approx(1.2, abs=0.06)


def test_no_prediction_changes_however_wild_the_rows():
    """Certain rows that are mostly wrong would turn the order over; the bound keeps them."""
    rng = np.random.default_rng(3)
    logits = np.r_[rng.normal(size=(100, 3)) * 8, rng.normal(size=(2000, 3)) * 0.3]
    labels = np.r_[logits[:100].argmin(axis=1), logits[100:].argmax(axis=1)]
    labels[:45] = logits[:45].argmax(axis=1)
    betas = fit_entropy_betas(CalibrationRows(logits, labels), 1.0)
    assert betas.certain == 1 / 20
    assert betas.uncertain > 1
    np.testing.assert_array_equal(apply_entropy_betas(logits, 1.0, betas).argmax(axis=1), logits.argmax(axis=1))


def test_threads_change_no_probability(monkeypatch):
    logits = np.random.default_rng(4).normal(size=(5000, 40)).astype(np.float32)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        found.append(apply_entropy_betas(logits, 0.8, EntropyBetas(0.5, 1.7)))
    np.testing.assert_array_equal(*found)
