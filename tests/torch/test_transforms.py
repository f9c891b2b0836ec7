"""Every function under what PyTorch does to functions: higher derivatives, compilation, torch.func, other devices."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
import torch.utils.checkpoint

import lastlayer.torch as lt

generator = torch.Generator().manual_seed(0)


def numbers(*shape, dtype=torch.float64, requires_grad=False):
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(requires_grad)


Z = numbers(6, 5)
Y = torch.randint(0, 5, (6,), generator=generator)
Y[2] = -100
TARGETS = torch.rand(6, 5, generator=generator, dtype=torch.float64)
WEIGHT = torch.rand(5, generator=generator, dtype=torch.float64)
FUNCTIONS = {
    "softmax": lambda z: lt.softmax(z, 1),
    "softmax with beta": lambda z: lt.softmax(z, -1, beta=2.0),
    "softmax of dim 0": lambda z: lt.softmax(z, 0, beta=0.3),
    "log_softmax": lambda z: lt.log_softmax(z, -1),
    "log_softmax with beta": lambda z: lt.log_softmax(z, 1, beta=0.5),
    "logsumexp": lambda z: lt.logsumexp(z, 1),
    "logsumexp of both": lambda z: lt.logsumexp(z, (0, 1), keepdim=True),
    "smooth_max": lambda z: lt.smooth_max(z, beta=3.0),
    "sigmoid": lt.sigmoid,
    "log_sigmoid": lt.log_sigmoid,
    "nll": lambda z: lt.nll(z, Y, WEIGHT.to(z.dtype)),
    "cross_entropy": lambda z: lt.cross_entropy(z, Y),
    "cross_entropy of each": lambda z: lt.cross_entropy(z, Y, reduction="none"),
    "cross_entropy, summed": lambda z: lt.cross_entropy(z, Y, reduction="sum"),
    "cross_entropy with weights": lambda z: lt.cross_entropy(z, Y, WEIGHT.to(z.dtype)),
    "cross_entropy smoothed": lambda z: lt.cross_entropy(z, Y, WEIGHT.to(z.dtype), label_smoothing=0.1),
    "cross_entropy of images": lambda z: lt.cross_entropy(z.reshape(3, 5, 2), Y.reshape(3, 2), label_smoothing=0.1),
    "cross_entropy of probabilities": lambda z: lt.cross_entropy(z, TARGETS.to(z.dtype), label_smoothing=0.1),
    "soft_cross_entropy": lambda z: lt.soft_cross_entropy(z, TARGETS.to(z.dtype)),
    "binary_cross_entropy_with_logits": lambda z: lt.binary_cross_entropy_with_logits(
        z, TARGETS.to(z.dtype), pos_weight=WEIGHT.to(z.dtype), weight=TARGETS.to(z.dtype)
    ),
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
# A compiled program is of PyTorch's operators wherever it is called.
where_kernels_would_be_taken = pytest.mark.parametrize("path", ["kernels"], indirect=True)
pytestmark = [
    pytest.mark.usefixtures("path"),
    # PyTorch's forward mode compiles its decompositions by a deprecated torch.jit.script.
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),
]


@every_function
def test_trap_13_gradients_of_any_order_are_finite_differences(function):
    leaf = Z.clone().requires_grad_()
    assert torch.autograd.gradcheck(function, (leaf,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (leaf,))


def test_trap_13_third_derivatives_through_the_kernels():
    leaf = Z[:2].clone().requires_grad_()

    def second(z):
        (gradient,) = torch.autograd.grad(lt.cross_entropy(z, Y[:2]), z, create_graph=True)
        return torch.autograd.grad((gradient**3).sum(), z, create_graph=True)[0]

    assert torch.autograd.gradcheck(second, (leaf,))


@pytest.mark.parametrize("function", ["softmax", "log_softmax", "smooth_max"])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_gradients_in_beta(function, shape):
    function = getattr(lt, function)
    leaf = Z.clone().requires_grad_()
    beta = torch.full(shape, 1.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, b: function(z, 1, beta=b), (leaf, beta))
    assert torch.autograd.gradgradcheck(lambda z, b: function(z, 1, beta=b), (leaf, beta))
    torch.testing.assert_close(function(leaf, 1, beta=beta), function(leaf, 1, beta=1.7))


def test_gradients_in_targets():
    leaf, targets = Z.clone().requires_grad_(), TARGETS.clone().requires_grad_()
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        for function in (lt.cross_entropy, lt.soft_cross_entropy, lt.binary_cross_entropy_with_logits):
            assert check(function, (leaf, targets))


@where_kernels_would_be_taken
@pytest.mark.filterwarnings("ignore")
@every_function
def test_compiles_without_a_break_forward_and_backward(function):
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    leaves = [Z.clone().requires_grad_() for _ in range(2)]
    results = [compiled(leaves[0]), function(leaves[1])]
    upstream = numbers(*results[0].shape)
    gradients = [torch.autograd.grad(result, leaf, upstream)[0] for result, leaf in zip(results, leaves, strict=True)]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*gradients)


@where_kernels_would_be_taken
@pytest.mark.filterwarnings("ignore")
def test_compiles_for_any_shape_and_any_beta():
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda z, beta: lt.softmax(z, 1, beta=beta) + lt.log_softmax(z, 1),
        fullgraph=True,
        dynamic=True,
        backend="aot_eager",
    )
    for rows, beta in ((5, 1.0), (6, 2.5), (9, 0.3)):
        z = numbers(rows, 4)
        torch.testing.assert_close(compiled(z, beta), lt.softmax(z, 1, beta=beta) + lt.log_softmax(z, 1))


@where_kernels_would_be_taken
@pytest.mark.filterwarnings("ignore")
def test_trap_10_and_a_compiled_mean_over_nothing_is_0():
    torch._dynamo.reset()
    nothing = torch.full_like(Y, -100)
    for options in ({}, {"weight": WEIGHT}, {"label_smoothing": 0.1}):
        leaf = Z.clone().requires_grad_()
        loss = torch.compile(lt.CrossEntropyLoss(**options), fullgraph=True, backend="aot_eager")(leaf, nothing)
        loss.backward()
        assert loss == 0
        assert (leaf.grad == 0).all()


@every_function
def test_torch_func(function):
    leaf = Z.clone().requires_grad_()
    expected = torch.autograd.grad(function(leaf).sum(), leaf)[0]
    torch.testing.assert_close(torch.func.grad(lambda z: function(z).sum())(Z), expected)
    many = numbers(3, 6, 5)
    torch.testing.assert_close(torch.func.vmap(function)(many), torch.stack([function(z) for z in many]))
    per_sample = torch.func.vmap(torch.func.grad(lambda z: function(z).sum()))(many)
    torch.testing.assert_close(per_sample[0], torch.func.grad(lambda z: function(z).sum())(many[0]))
    hessian = torch.func.hessian(lambda z: function(z).sum())(Z)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(lambda z: function(z).sum(), Z))


@pytest.mark.filterwarnings("ignore::UserWarning")
@every_function
def test_upstream_gradients_in_batches(function):
    leaf = Z.clone().requires_grad_()
    result = function(leaf)
    upstream = numbers(3, *result.shape)
    found = torch.autograd.grad(result, leaf, upstream, is_grads_batched=True, retain_graph=True)[0]
    each = [torch.autograd.grad(result, leaf, g, retain_graph=True)[0] for g in upstream]
    torch.testing.assert_close(found, torch.stack(each))
    jacobian = torch.autograd.functional.jacobian(function, Z, vectorize=True)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(function, Z))


@every_function
def test_recomputed_by_checkpoints(function):
    leaf, other = Z.clone().requires_grad_(), Z.clone().requires_grad_()
    torch.utils.checkpoint.checkpoint(lambda z: function(z * 2), leaf, use_reentrant=False).sum().backward()
    function(other * 2).sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


@every_function
def test_forward_mode(function):
    tangent = numbers(6, 5)
    expected = torch.func.jvp(function, (Z,), (tangent,))[1]
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(Z, tangent)
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(function(dual)).tangent, expected)


@every_function
def test_the_meta_device_knows_shapes_and_dtypes(function, monkeypatch):
    expected = function(Z)
    for name, tensor in (("Y", Y), ("TARGETS", TARGETS), ("WEIGHT", WEIGHT)):
        monkeypatch.setitem(globals(), name, tensor.to("meta"))
    found = function(Z.to("meta"))
    assert found.device.type == "meta"
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_half_precision(function, dtype):
    leaf = Z.to(dtype).requires_grad_()
    wide = leaf.detach().float().requires_grad_()
    found, expected = function(leaf), function(wide)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=3e-2, atol=3e-2)
    gradient = torch.autograd.grad(found.sum(), leaf)[0]
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.float(), torch.autograd.grad(expected.sum(), wide)[0], rtol=3e-2, atol=3e-2)


@every_function
def test_autocast_changes_nothing_in_float32(function):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = function(Z.float())
    torch.testing.assert_close(found, function(Z.float()))


@every_function
def test_inference_mode_and_deterministic_mode(function):
    expected = function(Z)
    with torch.inference_mode():
        assert torch.equal(function(Z), expected)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(function(Z), expected)
    finally:
        torch.use_deterministic_algorithms(False)
    assert not expected.requires_grad


@every_function
def test_trap_13_backward_twice_and_inputs_left_alone(function):
    leaf = Z.clone().requires_grad_()
    result = function(leaf)
    upstream = numbers(*result.shape)
    first = torch.autograd.grad(result, leaf, upstream, retain_graph=True)[0]
    kept = first.clone()
    first.zero_()
    torch.testing.assert_close(torch.autograd.grad(result, leaf, upstream, retain_graph=True)[0], kept)
    torch.testing.assert_close(torch.autograd.grad(result, leaf, upstream)[0], kept)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(result, leaf, upstream)
    assert torch.equal(leaf, Z)


@every_function
def test_trap_18_strides(function):
    strange = torch.empty(5, 12, dtype=torch.float64)[:, ::2].T
    strange.copy_(Z)
    assert not strange.is_contiguous()
    torch.testing.assert_close(function(strange), function(Z))
    leaf = Z.clone().requires_grad_()
    dense, turned = function(leaf), function(leaf.T.contiguous().T)
    upstream = numbers(*dense.shape)
    expected = torch.autograd.grad(dense, leaf, upstream)[0]
    torch.testing.assert_close(torch.autograd.grad(turned, leaf, upstream)[0], expected)
    assert expected.any()


class Marked(torch.Tensor):
    """A subclass as users write it: it sees every function that it is passed to."""

    seen: tuple[str, ...] = ()

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        Marked.seen += (getattr(function, "__name__", ""),)
        return super().__torch_function__(function, types, args, kwargs)


@every_function
def test_a_subclass_stays_one_and_sees_what_is_done(function):
    Marked.seen = ()
    found = function(Z.as_subclass(Marked))
    assert type(found) is Marked
    assert Marked.seen
    torch.testing.assert_close(found.as_subclass(torch.Tensor), function(Z))


@every_function
def test_modes_see_what_is_done(function):
    seen = []

    class Dispatch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            seen.append(operator)
            return operator(*args, **(kwargs or {}))

    with Dispatch():
        found = function(Z)
    assert seen
    torch.testing.assert_close(found, function(Z))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
def test_nested_tensors_where_pytorch_takes_them(layout):
    rows = [numbers(3, 4), numbers(2, 4)]
    nested = torch.nested.nested_tensor(rows, layout=layout)
    for ours, theirs in ((lt.softmax, F.softmax), (lt.log_softmax, F.log_softmax)):
        try:
            expected = theirs(nested, -1)
        except (NotImplementedError, RuntimeError) as failure:
            with pytest.raises(type(failure)):
                ours(nested, -1)
            continue
        for found, row in zip(ours(nested, -1).unbind(), rows, strict=True):
            torch.testing.assert_close(found, theirs(row, -1))
        assert expected.is_nested


def test_in_place_changes_of_logits_are_as_pytorchs():
    leaf = Z.clone().requires_grad_()
    expected = torch.autograd.grad(F.cross_entropy(leaf * 2, Y), leaf)[0]
    logits = leaf * 2
    loss = lt.cross_entropy(logits, Y)
    logits.mul_(3)
    torch.testing.assert_close(torch.autograd.grad(loss, leaf)[0], expected)
    logits = leaf * 2
    probabilities = lt.softmax(logits, 1)
    probabilities.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(probabilities.sum(), leaf)


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 0.0], [-math.inf, -math.inf]])
def test_a_bad_row_leaves_beta_the_gradient_of_the_others(bad):
    beta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    z = torch.tensor([[1.0, 2.0], bad], dtype=torch.float64)
    for function in (lt.smooth_max, lambda z, beta: lt.softmax(z, 1, beta=beta)[:, 0]):
        (found,) = torch.autograd.grad(function(z, beta=beta)[0], beta)
        (expected,) = torch.autograd.grad(function(z[:1], beta=beta).sum(), beta)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "module",
    [lt.Softmax(1), lt.Softmax(1, beta=2.0), lt.LogSoftmax(1, beta=torch.tensor(2.0)), lt.CrossEntropyLoss()],
)
def test_modules_are_copied_and_pickled(module):
    arguments = (Z, Y) if isinstance(module, torch.nn.CrossEntropyLoss) else (Z,)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(*arguments), module(*arguments))
        assert repr(twin) == repr(module)
