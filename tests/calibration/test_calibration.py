import warnings

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.calibration import CALIBRATION_METHODS, EntropyBetas, VectorScaling
from tests.shared_data import data_file


def drawn(rng, rows, num_classes=4, beta=0.6):
    logits = rng.normal(size=(rows, num_classes)) * 3
    return logits, (beta * logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def same_as(kind, logits):
    return {"logits": logits, "log-probabilities": ll.log_softmax(logits), "probabilities": ll.softmax(logits)}[kind]


@pytest.mark.parametrize("kind", ["logits", "log-probabilities", "probabilities"])
@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_trap_25_every_kind_of_scores_gives_the_same_probabilities(kind, method):
    logits, labels = drawn(np.random.default_rng(0), 400)
    expected = ll.fit_calibration(logits, labels, scores_are="logits", method=method)
    found = ll.fit_calibration(same_as(kind, logits), labels, scores_are=kind, method=method)
    assert found.beta == pytest.approx(ll.fit_temperature(logits, labels), rel=1e-9)
    np.testing.assert_allclose(found.apply(same_as(kind, logits)), expected.apply(logits), rtol=1e-3, atol=1e-6)
    assert (found.rows, found.num_classes, found.scores_are, found.method) == (400, 4, kind, method)


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_are_distributions_in_the_dtype_of_the_scores(method, dtype):
    logits, labels = drawn(np.random.default_rng(1), 300)
    logits = logits.astype(dtype)
    logits[:, 3] = np.where(labels == 3, logits[:, 3], -np.inf)
    p = ll.fit_calibration(logits, labels, scores_are="logits", method=method).apply(logits)
    assert p.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(p[logits == -np.inf], 0)


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_trap_30_a_row_of_weight_0_is_not_read(method):
    rng = np.random.default_rng(2)
    logits, labels = drawn(rng, 200)
    weight = rng.exponential(size=200)
    weight[::5] = 0
    spoilt, wrong = logits.copy(), labels.copy()
    spoilt[0], wrong[5] = np.nan, 99
    kept = weight > 0
    expected = ll.fit_calibration(
        logits[kept], labels[kept], scores_are="logits", method=method, sample_weight=weight[kept]
    )
    found = ll.fit_calibration(spoilt, wrong, scores_are="logits", method=method, sample_weight=weight)
    assert found == expected


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_trap_23_separable_rows_are_one_temperature_and_warned_of(method):
    logits, _ = drawn(np.random.default_rng(3), 30)
    labels = logits.argmax(axis=1)
    with pytest.warns(ll.TemperatureWarning, match="fit_calibration: every label is its row's largest logit.*beta is"):
        calibration = ll.fit_calibration(logits, labels, scores_are="logits", method=method)
    np.testing.assert_allclose(calibration.apply(logits), ll.softmax(logits, beta=calibration.beta), rtol=1e-9)


def test_fewer_rows_than_classes_are_warned_of():
    logits, labels = drawn(np.random.default_rng(4), 20, num_classes=30, beta=0.2)
    with pytest.warns(ll.TemperatureWarning, match="20 rows, fewer than the 30 classes"):
        ll.fit_calibration(logits, labels, scores_are="logits")


def test_the_calibration_error_of_an_overconfident_network_is_halved():
    with np.load(data_file("wideresnet-cifar100.npz")) as arrays:
        p, labels = arrays["predictions"], arrays["ground_truth"]
    before = ll.evaluate(p[5000:], labels[5000:])
    found = {}
    for method in ("temperature", "entropy-temperature"):
        calibration = ll.fit_calibration(p[:5000], labels[:5000], scores_are="probabilities", method=method)
        found[method] = ll.evaluate(calibration.apply(p[5000:]), labels[5000:])
        assert found[method].accuracy == before.accuracy
    assert found["entropy-temperature"].ece < before.ece / 2
    assert found["entropy-temperature"].log_loss < found["temperature"].log_loss - 0.02 < before.log_loss - 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("temperature", "logits", 0.0, 2, 9), "beta: received 0.0"),
        (("isotonic", "logits", 1.0, 2, 9), "method: received 'isotonic', expected one of 'temperature'"),
        (("temperature", "scores", 1.0, 2, 9), "scores_are: received 'scores'"),
        (("temperature", "logits", 1.0, 2, 9, EntropyBetas(1, 2)), "entropy_betas: received"),
        (("entropy-temperature", "logits", 1.0, 2, 9), "entropy_betas: received None"),
        (("vector", "logits", 1.0, 2, 9), "vector: received NoneType"),
        (("vector", "logits", 1.0, 2, 9, None, VectorScaling((1.0,), (0.0, 0.0))), "factors: 1 of them, expected 2"),
        (("vector", "logits", 1.0, 1, 9, None, VectorScaling((np.nan,), (0.0,))), "vector: holds a number"),
        (("temperature", "logits", 1.0, 2, 9, None, None, ("a",)), "classes: 1 of them, expected 2"),
        (("temperature", "logits", 1.0, 2, 9, None, None, ("a", "a")), "classes: one of them stands twice"),
    ],
)
def test_a_calibration_that_is_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        ll.Calibration(*arguments)


def test_refusals():
    logits, labels = drawn(np.random.default_rng(5), 40)
    calibration = ll.fit_calibration(logits, labels, scores_are="logits")
    with pytest.raises(ValueError, match="scores: 3 columns, expected 4, one for each class"):
        calibration.apply(logits[:, :3])
    with pytest.raises(ValueError, match=r"row 0 has .*, expected probabilities from 0 to 1"):
        ll.fit_calibration(logits, labels, scores_are="probabilities")
    with pytest.raises(ValueError, match="method: received 'matrix'"):
        ll.fit_calibration(logits, labels, scores_are="logits", method="matrix")
    with pytest.raises(ValueError, match="labels: row 1 is class 1, whose logit is -inf"):
        ll.fit_calibration([[0.5, 0.5], [1, 0]], [0, 1], scores_are="probabilities")
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"sample_weight: shape is \(3,\)"):
        ll.fit_calibration(logits, labels, scores_are="logits", sample_weight=[1, 2, 3])
