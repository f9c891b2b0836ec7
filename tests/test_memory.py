import gc
import mmap

import numpy as np
import pytest

import lastlayer as ll
from lastlayer import _memory

LARGE = (3, _memory._LEAST_BYTES // 8)

pytestmark = pytest.mark.skipif(not _memory._CAN_OFFER, reason="the system cannot be offered memory that is kept")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(_memory, "_kept", [])


def address(array):
    return array.__array_interface__["data"][0]


def test_what_nobody_refers_to_is_used_again():
    first = _memory.empty(LARGE, np.float64)
    first[...] = 1.0
    place = address(first)
    del first
    gc.collect()
    second = _memory.empty((3, LARGE[1] * 2), np.float32)
    assert address(second) == place
    assert second.flags.c_contiguous
    assert second.flags.writeable
    second[...] = 2.0
    assert (second == 2.0).all()


@pytest.mark.parametrize("view", [lambda a: a[1:, 5], lambda a: a.T, lambda a: memoryview(a), lambda a: a.reshape(-1)])
def test_what_is_referred_to_is_not_touched(view):
    first = _memory.empty(LARGE, np.float64)
    first[...] = 1.0
    part = view(first)
    del first
    gc.collect()
    others = [_memory.empty(LARGE, np.float64) for _ in range(3)]
    for other in others:
        other[...] = 2.0
    assert (np.asarray(part) == 1.0).all()
    assert len({address(other) for other in others}) == 3


def test_results_of_functions_do_not_share_memory():
    logits = np.random.default_rng(0).normal(size=(1200, 1000))
    expected = ll.softmax(logits[:2])
    results = [ll.softmax(logits) for _ in range(4)]
    del results[1]
    again = ll.softmax(logits + 1.0)
    again[...] = 0.0
    for result in results:
        np.testing.assert_array_equal(result[:2], expected)


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(_memory, "_MOST_BYTES_KEPT", 3 * _memory._LEAST_BYTES)
    results = [_memory.empty((_memory._LEAST_BYTES,), np.uint8) for _ in range(6)]
    del results
    gc.collect()
    assert sum(map(len, _memory._kept)) == 3 * _memory._LEAST_BYTES


def test_memory_that_the_system_does_not_take_back_is_not_kept():
    class Locked:
        def __len__(self):
            return _memory._LEAST_BYTES

        def madvise(self, advice):
            assert advice == mmap.MADV_FREE
            raise OSError(22, "Invalid argument")

    _memory._leave(Locked())
    assert not _memory._kept


def test_small_results_are_plain_arrays():
    assert _memory.empty((10, 3), np.float32).flags.owndata
    assert _memory.empty((0, 3), np.float32).shape == (0, 3)


def test_too_large_a_result_is_a_memory_error():
    with pytest.raises(MemoryError):
        ll.softmax(np.broadcast_to(np.float32(0), (1 << 23, 1 << 20)))


def test_one_huge_result_does_not_drive_out_the_others(monkeypatch):
    monkeypatch.setattr(_memory, "_MOST_BYTES_KEPT", 3 * _memory._LEAST_BYTES)
    small = _memory.empty((_memory._LEAST_BYTES,), np.uint8)
    huge = _memory.empty((4 * _memory._LEAST_BYTES,), np.uint8)
    del small, huge
    gc.collect()
    assert [len(pages) for pages in _memory._kept] == [_memory._LEAST_BYTES]
