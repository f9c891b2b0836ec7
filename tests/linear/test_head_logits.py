import numpy as np
import pytest

from lastlayer.linear.head_logits import HeadLogits


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("block", [1, 40, 1 << 18])
def test_logits_are_those_of_the_definition(stored, block, monkeypatch):
    monkeypatch.setattr("lastlayer.linear.head_logits._BLOCK", block)
    rng = np.random.default_rng(0)
    X = (10 * rng.random((23, 5))).astype(stored)
    weight, bias = rng.standard_normal((3, 5)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    expected = [[sum(float(w) * float(x) for w, x in zip(k, row, strict=True)) for k in weight] for row in X] + bias
    logits = HeadLogits(X, weight, bias)
    assert (logits.shape, logits.size, logits.ndim) == ((23, 3), 69, 2)
    assert logits.dtype == (np.float64 if stored in (np.float64, np.uint8) else np.float32)
    found = np.full((23, 3), np.nan)
    for part, rows in logits.blocks(4, 21):
        assert rows.dtype == logits.dtype
        found[part] = rows
    np.testing.assert_allclose(found[4:21], expected[4:21], rtol=1e-5, atol=1e-5)
    assert np.isnan(found[:4]).all()
    assert np.isnan(found[21:]).all()
    np.testing.assert_allclose(logits[9], expected[9], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits.every(4), expected[::4], rtol=1e-5, atol=1e-5)


def test_a_literal_row():
    logits = HeadLogits(np.array([[1, 2]], np.float16), np.array([[3.0, 4.0], [0.0, 0.5]]), np.array([1.0, 0.0]))
    assert logits[0].tolist() == [12.0, 1.0]
