import numpy as np
import pytest

from lastlayer import _layouts
from lastlayer._layouts import run, three_axes, tiles
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.layouts import crowded_columns
from lastlayer.kernels.softmax import LogSoftmax, LogSumExp, Softmax
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.kernels.targets import Distribution, Label

FLOATS = (np.float32, np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 1025])
def test_rows_short_rows_and_columns_agree(dtype, num_classes):
    logits = np.random.default_rng(0).normal(size=(37, num_classes)).astype(dtype) * 5
    scale, results = scale_of(0.7, dtype), []
    for operation in (Softmax(scale), LogSoftmax(scale)):
        of_rows, of_columns = np.empty((37, num_classes, 1), dtype), np.empty((1, num_classes, 37), dtype)
        run(operation, logits[:, :, None], of_rows)
        run(operation, np.ascontiguousarray(logits.T[None]), of_columns)
        tolerance = 20 * np.finfo(dtype).eps
        np.testing.assert_allclose(of_rows[:, :, 0], of_columns[0].T, rtol=tolerance, atol=tolerance)
        results.append(of_rows[:, :, 0])
    np.testing.assert_allclose(np.log(results[0]), results[1], rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-6)
    sums = np.empty((2, 37))
    run(LogSumExp(scale, sums[0]), logits[:, :, None], None)
    run(LogSumExp(scale, sums[1]), np.ascontiguousarray(logits.T[None]), None)
    np.testing.assert_allclose(sums[0], sums[1], rtol=20 * np.finfo(dtype).eps)


def test_blocks_know_which_examples_they_hold(monkeypatch):
    # Many small blocks on several threads, of rows that are copied a few at a time.
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    monkeypatch.setattr(_layouts, "GRAIN", 64)
    monkeypatch.setattr("lastlayer._blocks._COPIED", 200)
    for num_classes in (5, 100):
        logits = np.random.default_rng(0).normal(size=(501, 2 * num_classes))[::-1, ::2]
        sums = np.full(501, np.nan)
        run(LogSumExp(scale_of(1.0, np.float64), sums), logits[:, :, None], None)
        np.testing.assert_allclose(sums, np.log(np.exp(logits).sum(1)), rtol=1e-13)
        columns = np.ascontiguousarray(logits.reshape(3, 167, num_classes).transpose(0, 2, 1))
        of_columns = np.full(501, np.nan)
        run(LogSumExp(scale_of(1.0, np.float64), of_columns), columns, None)
        np.testing.assert_allclose(of_columns, sums, rtol=1e-13)


@pytest.mark.parametrize("dtype", FLOATS)
def test_scratch_memory_begins_with_a_cache_line(dtype):
    for num_classes in (1, 7, 50):
        memory = tiles(num_classes, dtype)
        assert memory.shape == (3, 1, num_classes, 64 // np.dtype(dtype).itemsize)
        assert memory.ctypes.data % 64 == 0
        assert memory.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("inner", [128, 512, 1000, 1024])
def test_columns_whose_classes_crowd_into_a_few_sets_of_a_cache(dtype, inner, monkeypatch):
    copied = []
    monkeypatch.setattr(_layouts, "crowded_columns", lambda *given: copied.append(crowded_columns(*given)))
    rng = np.random.default_rng(0)
    logits, weights = (rng.random(size=(2, 90, inner)).astype(dtype) for _ in range(2))
    rows, rows_of_weights = (np.ascontiguousarray(np.moveaxis(a, 1, 2)).reshape(-1, 90, 1) for a in (logits, weights))
    labels, scale, tolerance = rng.integers(-1, 90, 2 * inner), scale_of(0.7, dtype), 50 * np.finfo(dtype).eps
    sums = np.empty((4, 2 * inner))
    for ours, theirs in (
        (Softmax(scale), Softmax(scale)),
        (LogSoftmax(scale), LogSoftmax(scale)),
        (SoftmaxLoss(Label(labels, 1.0), 1.0, sums[0]), SoftmaxLoss(Label(labels, 1.0), 1.0, sums[1])),
        (
            SoftmaxLoss(Distribution(weights), 1.0, sums[2]),
            SoftmaxLoss(Distribution(rows_of_weights[..., 0]), 1.0, sums[3]),
        ),
    ):
        found, expected = logits.copy(), np.empty_like(rows)
        run(ours, found, found)
        run(theirs, rows, expected)
        expected = np.moveaxis(expected.reshape(2, inner, 90), 2, 1)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(sums[[0, 2]], sums[[1, 3]], rtol=tolerance)
    run(LogSumExp(scale, sums[0]), logits, None)
    run(LogSumExp(scale, sums[1]), rows, None)
    np.testing.assert_allclose(sums[0], sums[1], rtol=tolerance)
    assert bool(copied) == (inner * logits.itemsize % 512 == 0)


def test_three_axes():
    array = np.zeros((2, 3, 4, 5))
    assert three_axes(array, 1).shape == (2, 3, 20)
    assert three_axes(array, 3).shape == (24, 5, 1)
    assert three_axes(np.float64(1), 0).shape == (1, 1, 1)
    assert np.shares_memory(three_axes(array, 2), array)
