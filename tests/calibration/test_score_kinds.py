import numpy as np
import pytest

import lastlayer as ll
from lastlayer.calibration import NotTheseScoresError, as_logits


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_each_kind_has_the_same_softmax(dtype):
    logits = (np.random.default_rng(0).normal(size=(50, 7)) * 3).astype(dtype)
    expected = ll.softmax(logits.astype(np.float64))
    for kind, scores in (
        ("logits", logits),
        ("log-probabilities", ll.log_softmax(logits)),
        ("probabilities", ll.softmax(logits)),
    ):
        found = ll.softmax(as_logits(scores, kind).astype(np.float64))
        np.testing.assert_allclose(found, expected, rtol=2e-2 if dtype == np.float16 else 1e-5, atol=1e-6)


def test_what_is_no_copy_and_what_0_becomes():
    logits = np.zeros((3, 2))
    assert as_logits(logits, "logits") is logits
    np.testing.assert_array_equal(as_logits([[1.0, 0.0]], "probabilities"), [[0, -np.inf]])
    assert as_logits([[0.0, -np.inf]], "log-probabilities")[0, 1] == -np.inf


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ([0.5, 0.4, 0.0], "probabilities", "row 2 sums to 0.9, expected 1 within 0.001; say what they are"),
        ([1.5, -0.5, 0.0], "probabilities", "row 2 has 1.5 for class 0, expected probabilities from 0 to 1"),
        ([np.nan, 0.5, 0.5], "probabilities", "row 2 has nan for class 0"),
        ([2.0, 1.0, 0.1], "probabilities", "row 2 has 2 for class 0"),
        ([-1.0, -1.0, -1.0], "log-probabilities", "row 2 has exponentials that sum to 1.10364, expected 1"),
        ([0.2, 0.3, 0.5], "log-probabilities", "row 2 has 0.2 for class 0, expected log-probabilities, at most 0"),
        ([800.0, 0.0, 0.0], "log-probabilities", "row 2 has 800 for class 0"),
        ([np.nan, 0.0, 0.0], "logits", "row 2 has nan, expected finite logits"),
        ([0.0, np.inf, 0.0], "logits", "row 2 has inf, expected finite logits"),
        ([-np.inf] * 3, "logits", "row 2 is all -inf"),
    ],
)
def test_trap_25_a_row_that_is_something_else_is_named(row, kind, message, monkeypatch):
    monkeypatch.setattr("lastlayer.calibration.score_kinds._BLOCK", 3)
    good = {"probabilities": [0.2, 0.3, 0.5], "logits": [1.0, 2.0, 3.0]}.get(kind, np.log([0.2, 0.3, 0.5]).tolist())
    with pytest.raises(NotTheseScoresError, match=message) as caught:
        as_logits([good, good, row, good], kind)
    assert caught.value.row == 2


@pytest.mark.parametrize(
    ("scores", "kind", "message"),
    [
        ([[0.5, 0.5]], "scores", "scores_are: received 'scores', expected one of 'logits'"),
        ([0.5, 0.5], "probabilities", r"scores: shape is \(2,\), expected \(N, K\)"),
        ([[1.0], [1.0]], "probabilities", r"expected \(N, K\), one column for each of at least 2 classes"),
    ],
)
def test_bad_arguments(scores, kind, message):
    with pytest.raises(ValueError, match=message):
        as_logits(scores, kind)
