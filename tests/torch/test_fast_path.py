"""When the compiled kernels answer, and that their answers are an operator's like any other."""

import gc
import itertools
import os
import subprocess
import sys
import weakref

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch.utils.flop_counter import FlopCounterMode

import lastlayer.torch as lt
from lastlayer.torch import _windows, fast_path

NAMES, DTYPES = ("softmax", "log_softmax", "cross_entropy"), (torch.float32, torch.float64)


def logits(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


class Other(torch.Tensor):
    pass


def test_the_table_of_windows_is_well_formed():
    assert set(_windows.WINDOWS) == {"AVX512", "AVX2"}
    for table in _windows.WINDOWS.values():
        assert set(table) == set(itertools.product(NAMES, DTYPES))
        for windows in table.values():
            previous = 1
            for first, last, least_rows in windows:
                assert previous < first <= last
                assert least_rows > 0
                previous = last


def test_inside_and_outside_of_a_window(monkeypatch):
    monkeypatch.setattr(fast_path, "WINDOWS", {("softmax", torch.float32): ((2, 4, 100), (7, 8, 10))})
    for shape, taken in (
        ((100, 2), True),
        ((99, 2), False),
        ((100, 5), False),
        ((10, 8), True),
        ((5, 2, 8), True),
        ((10, 9), False),
        ((8,), False),
        ((0, 8), False),
    ):
        assert fast_path.takes("softmax", logits(*shape), -1) is taken
        assert fast_path.takes("softmax", logits(*shape), len(shape) - 1) is taken
        assert not fast_path.takes("softmax", logits(*shape, dtype=torch.float64), -1)
        assert not fast_path.takes("log_softmax", logits(*shape), -1)
    assert not fast_path.takes("softmax", logits(100, 2), 0)


@pytest.mark.usefixtures("kernels")
def test_what_the_kernels_do_not_take():
    z = logits(8, 5)
    assert fast_path.takes("softmax", z, 1)
    assert fast_path.takes("softmax", torch.nn.Parameter(z), 1)
    for other in (
        logits(5, 8).T,
        z[:, ::2],
        z.bfloat16(),
        z.to("meta"),
        z.to_sparse(),
        z.as_subclass(Other),
        torch.nested.nested_tensor([z, z], layout=torch.jagged),
        torch.fx.Proxy(torch.fx.Node(torch.fx.Graph(), "z", "placeholder", "z", (), {})),
        z.numpy(),
        torch._neg_view(z),
        logits(),
    ):
        assert not fast_path.takes("softmax", other, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("kernels")
def test_what_must_see_every_operator_sees_them():
    z, taken = logits(8, 5), []

    def note(z):
        taken.append(fast_path.takes("softmax", z, 1))
        return z * 2

    torch.func.grad(lambda z: note(z).sum())(z)
    torch.func.vmap(note)(z.unsqueeze(0))
    torch.jit.trace(note, (z,), check_trace=False)
    with torch.autograd.forward_ad.dual_level():
        note(torch.autograd.forward_ad.make_dual(z, z))
    with torch.device("cpu"):
        note(z)
    with FlopCounterMode(display=False):
        note(z)
    torch.compile(note, backend="eager")(z)
    torch.export.export(torch.nn.Sequential(), (z,))
    assert taken == [False] * 7
    note(z)
    assert taken[-1]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_pass_of_value_and_gradient(reduction):
    leaf, labels = logits(300, 7, dtype=torch.float64).requires_grad_(), torch.arange(300) % 7
    labels[::5] = -100
    loss, expected = (f(leaf, labels, reduction=reduction) for f in (lt.cross_entropy, F.cross_entropy))
    assert "_CrossEntropy" in str(loss.grad_fn)
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slopes = torch.autograd.grad(expected, leaf, upstream, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(loss, leaf, upstream, retain_graph=True)[0], slopes)
    torch.testing.assert_close(torch.autograd.grad(loss, leaf, upstream, retain_graph=True)[0], slopes)
    torch.testing.assert_close(torch.autograd.grad(loss, leaf, upstream, create_graph=True)[0], slopes)
    with torch.no_grad():
        assert not lt.cross_entropy(leaf, labels, reduction=reduction).requires_grad
    torch.testing.assert_close(lt.cross_entropy(leaf.detach(), labels, reduction=reduction), expected.detach())


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("ignored", [-100, 2, 99])
def test_ignored_rows_cost_nothing_whatever_they_hold(ignored):
    z = torch.tensor([[1.0, 2.0, 0.5], [float("nan"), 1.0, 0.0], [-float("inf")] * 3], requires_grad=True)
    loss = lt.cross_entropy(z, torch.tensor([0, ignored, ignored]), ignore_index=ignored)
    torch.testing.assert_close(loss, F.cross_entropy(z[:1], torch.tensor([0])))
    loss.backward()
    assert z.grad is not None
    assert (z.grad[1:] == 0).all()
    assert z.grad[0].isfinite().all()


@pytest.mark.usefixtures("kernels")
def test_labels_that_pytorch_refuses_are_refused():
    z = logits(4, 3)
    for labels in (torch.zeros(4, dtype=torch.int32), torch.zeros(4), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises((RuntimeError, ValueError)) as ours:
            lt.cross_entropy(z, labels)
        with pytest.raises(type(ours.value)) as theirs:
            F.cross_entropy(z, labels)
        assert str(ours.value) == str(theirs.value)
    strided = torch.zeros(8, dtype=torch.int64)[::2]
    torch.testing.assert_close(lt.cross_entropy(z, strided), F.cross_entropy(z, strided))


@pytest.mark.usefixtures("kernels")
def test_logits_changed_in_place_are_not_differentiated_twice():
    leaf = logits(4, 3).requires_grad_()
    expected = torch.autograd.grad(F.cross_entropy(leaf * 1, torch.arange(4) % 3), leaf)[0]
    z = leaf * 1
    loss = lt.cross_entropy(z, torch.arange(4) % 3)
    z.mul_(2)
    for _ in range(2):
        torch.testing.assert_close(torch.autograd.grad(loss, leaf, retain_graph=True)[0], expected)
    with pytest.raises(RuntimeError, match=r"input was modified in place after the loss was computed"):
        torch.autograd.grad(loss, leaf, create_graph=True)


@pytest.mark.usefixtures("kernels")
def test_the_gradient_is_handed_over_and_not_copied():
    leaf = logits(400, 5).requires_grad_()
    loss = lt.cross_entropy(leaf, torch.arange(400) % 5)
    address = loss.grad_fn.saved_tensors[1].data_ptr()
    loss.backward(retain_graph=True)
    assert leaf.grad is not None
    assert leaf.grad.data_ptr() != address
    leaf.grad = None
    loss.backward()
    assert leaf.grad is not None
    assert leaf.grad.data_ptr() == address


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(
    "function", [lambda z: lt.softmax(z, 1).sum(), lambda z: lt.cross_entropy(z, torch.arange(4) % 3)]
)
def test_nothing_is_kept_once_backward_is_over(function):
    leaf = logits(4, 3).requires_grad_()
    z = leaf * 1
    gone = weakref.ref(z)
    gc.disable()
    try:
        loss = function(z)
        loss.backward()
        del z
        assert gone() is None
        assert loss.isfinite()
        unused = leaf * 1
        gone = weakref.ref(unused)
        loss = function(unused)
        del loss, unused
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.thorough
def test_trap_28_threads_are_borrowed_at_the_first_call_and_not_at_import_and_a_forked_child_computes():
    program = """if True:
    import os, signal, torch, lastlayer.torch as lt
    from lastlayer import _threads
    from lastlayer.torch import fast_path
    from lastlayer.torch._team import threads_of_torch
    fast_path.WINDOWS = {("softmax", torch.float32): ((2, 4, 100),)}
    lt.softmax(torch.randn(64, 10), 1)
    assert _threads._team.size is _threads._cores
    lt.softmax(torch.randn(200, 4), 1)
    assert (_threads._team.size is _threads._cores) == (threads_of_torch() is None)
    z = torch.randn(200_000, 4)
    expected = lt.softmax(z, 1)
    child = os.fork()
    if not child:
        signal.alarm(60)
        assert (lt.softmax(z, 1).numpy() == expected.numpy()).all()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)
