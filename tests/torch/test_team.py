"""PyTorch's own threads as the threads that lastlayer runs on."""

import threading

import pytest
import torch

import lastlayer.torch as lt
from lastlayer import _threads
from lastlayer.torch._team import threads_of_torch


@pytest.fixture
def _restored(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(_threads, "_team", _threads._team)
    _threads.borrow(threads_of_torch())
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_restored")
def test_as_many_threads_as_pytorch_is_told_to_use(monkeypatch):
    monkeypatch.delenv("LASTLAYER_NUM_THREADS", raising=False)
    for count in (1, 3, 2):
        torch.set_num_threads(count)
        met = threading.Barrier(count)

        def work(start, stop, met=met):
            met.wait(timeout=60)
            return threading.get_ident()

        assert _threads.num_threads() == count
        assert len(set(_threads.run_blocks(work, count, items_per_block=1))) == count


@pytest.mark.usefixtures("_restored")
def test_fewer_threads_than_pytorch_uses(monkeypatch):
    torch.set_num_threads(4)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "2")
    idents = _threads.run_blocks(
        lambda start, stop: threading.get_ident(), 1000, items_per_block=1, blocks_per_thread=100
    )
    assert len(set(idents)) <= 2


@pytest.mark.usefixtures("kernels")
def test_pytorch_goes_on_between_our_calls():
    logits = torch.randn(3000, 400)
    for _ in range(5):
        torch.testing.assert_close(lt.softmax(logits + 1, 1), torch.softmax(logits, -1))
