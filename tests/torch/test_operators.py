"""Every custom operator against PyTorch's own checks: schema, fake tensors, autograd, compilation."""

import sys

import pytest
import torch

import lastlayer.torch as lt
from lastlayer.torch._tensors import runs_on_kernels

generator = torch.Generator().manual_seed(0)


def numbers(*shape, dtype=torch.float64, requires_grad=False):
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(requires_grad)


def labels(num_classes, *shape):
    return torch.randint(0, num_classes, shape, generator=generator)


def samples(dtype):
    """Arguments of each operator by its name; tensors that may need a gradient do."""

    def leaf(*shape):
        return numbers(*shape, dtype=dtype, requires_grad=True)

    wide = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
    rest = torch.rand(3, 4, 2, generator=generator, dtype=torch.float64).to(wide)
    weight = torch.rand(4, generator=generator, dtype=torch.float64).to(wide)
    probabilities = torch.rand(4, 3, generator=generator, dtype=torch.float64).to(wide)
    of_class = torch.rand(5, generator=generator, dtype=torch.float64).to(wide)
    targets = torch.rand(4, 5, 2, generator=generator, dtype=torch.float64).to(wide)
    known = labels(5, 4, 2)
    return {
        "softmax": [(leaf(3, 5, 2), 2.0), (leaf(0, 5, 1), 1.0)],
        "log_softmax": [(leaf(3, 5, 2), 0.5), (leaf(4, 200, 1), 1.0)],
        "softmax_backward": [(leaf(3, 5, 2), leaf(3, 5, 2), 2.0), (leaf(4, 200, 1), leaf(4, 200, 1), 1.0)],
        "log_softmax_backward": [(leaf(3, 5, 2), leaf(3, 5, 2), 2.0)],
        "logsumexp": [(leaf(3, 5, 2), 3.0)],
        "logsumexp_backward": [(leaf(3, 2), leaf(3, 5, 2), numbers(3, 2, dtype=dtype), 3.0)],
        "sigmoid": [(leaf(3, 4),)],
        "sigmoid_backward": [(leaf(3, 4), leaf(3, 4))],
        "log_sigmoid": [(leaf(3, 4),)],
        "log_sigmoid_backward": [(leaf(3, 4), leaf(3, 4))],
        "cross_entropy": [(leaf(4, 5, 2), known, int(known[0, 0]))],
        "cross_entropy_backward": [(numbers(4, 2, dtype=wide, requires_grad=True), leaf(4, 5, 2), known, rest, -100)],
        "smoothed_cross_entropy": [(leaf(4, 5, 2), known, rest[0], of_class, -100)],
        "smoothed_cross_entropy_backward": [
            (numbers(4, 2, dtype=wide, requires_grad=True), leaf(4, 5, 2), known, rest[0], of_class, -100)
        ],
        "soft_cross_entropy": [(leaf(4, 5, 2), targets.clone().requires_grad_())],
        "soft_cross_entropy_backward": [
            (numbers(4, 2, dtype=wide, requires_grad=True), leaf(4, 5, 2), targets.clone().requires_grad_())
        ],
        "binary_cross_entropy": [(leaf(4, 3), probabilities.clone().requires_grad_(), weight[:3])],
        "binary_cross_entropy_backward": [
            (numbers(4, 3, dtype=wide, requires_grad=True), leaf(4, 3), probabilities.clone(), weight[:3])
        ],
        "labels_in_range": [(labels(3, 7), 3, -100, "logits")],
    }


def test_every_operator_has_samples():
    registered = {
        name.split("::")[1].split(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("lastlayer::")
    }
    assert registered == set(samples(torch.float64))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", sorted(samples(torch.float64)))
def test_opcheck(name, dtype):
    for arguments in samples(dtype)[name]:
        if dtype in (torch.bfloat16, torch.float16) and name == "cross_entropy_backward":
            arguments = (*arguments[:3], arguments[3].float(), arguments[4])
        torch.library.opcheck(getattr(torch.ops.lastlayer, name).default, arguments)


Z = numbers(6, 5)
Y = labels(5, 6)
Y[2] = -100
TARGETS = torch.rand(6, 5, generator=generator, dtype=torch.float64)
WEIGHT = torch.rand(5, generator=generator, dtype=torch.float64)
FUNCTIONS = {
    "softmax": lambda z: lt.softmax(z, beta=2.0),
    "softmax of dim 0": lambda z: lt.softmax(z, 0),
    "log_softmax": lambda z: lt.log_softmax(z, beta=0.5),
    "logsumexp": lt.logsumexp,
    "logsumexp of both": lambda z: lt.logsumexp(z, (0, 1), keepdim=True),
    "smooth_max": lambda z: lt.smooth_max(z, beta=3.0),
    "sigmoid": lt.sigmoid,
    "log_sigmoid": lt.log_sigmoid,
    "nll": lambda z: lt.nll(z, Y, class_weight=WEIGHT),
    "cross_entropy": lambda z: lt.cross_entropy(z, Y, reduction="none"),
    "cross_entropy with weights": lambda z: lt.cross_entropy(z, Y, class_weight=WEIGHT),
    "cross_entropy smoothed": lambda z: lt.cross_entropy(z, Y, class_weight=WEIGHT, label_smoothing=0.1),
    "cross_entropy of dim 0": lambda z: lt.cross_entropy(z.T, Y, 0),
    "cross_entropy smoothed of images": lambda z: lt.cross_entropy(
        z.reshape(3, 5, 2), Y.reshape(3, 2), label_smoothing=0.1
    ),
    "soft_cross_entropy": lambda z: lt.soft_cross_entropy(z, TARGETS),
    "soft_cross_entropy of images": lambda z: lt.soft_cross_entropy(z.reshape(3, 5, 2), TARGETS.reshape(3, 5, 2)),
    "binary_cross_entropy": lambda z: lt.binary_cross_entropy(z, TARGETS, positive_weight=WEIGHT, weight=TARGETS),
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@every_function
def test_gradients_are_finite_differences(function):
    leaf = Z.clone().requires_grad_()
    assert torch.autograd.gradcheck(function, (leaf,))
    assert torch.autograd.gradgradcheck(function, (leaf,))


@pytest.mark.parametrize("function", [lt.softmax, lt.log_softmax, lt.smooth_max])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_gradients_in_beta(function, shape):
    leaf = Z.clone().requires_grad_()
    beta = torch.full(shape, 1.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, b: function(z, beta=b), (leaf, beta))
    assert torch.autograd.gradgradcheck(lambda z, b: function(z, beta=b), (leaf, beta))
    torch.testing.assert_close(function(leaf, beta=beta), function(leaf, beta=1.7))


def test_gradients_in_what_is_not_logits():
    leaf, targets = Z.clone().requires_grad_(), TARGETS.clone().requires_grad_()
    weight = WEIGHT.clone().requires_grad_()

    def binary(z, t, w):
        return lt.binary_cross_entropy(z, t, positive_weight=w)

    assert torch.autograd.gradcheck(lt.soft_cross_entropy, (leaf, targets))
    assert torch.autograd.gradgradcheck(lt.soft_cross_entropy, (leaf, targets))
    assert torch.autograd.gradcheck(binary, (leaf, targets, weight))
    assert torch.autograd.gradgradcheck(binary, (leaf, targets, weight))
    with pytest.raises(
        NotImplementedError, match="class_weight requires grad beside label_smoothing, expected a constant"
    ):
        lt.cross_entropy(leaf, Y, class_weight=weight, label_smoothing=0.1).backward()


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


@every_function
def test_torch_func(function):
    leaf = Z.clone().requires_grad_()
    expected = torch.autograd.grad(function(leaf).sum(), leaf)[0]
    torch.testing.assert_close(torch.func.grad(lambda z: function(z).sum())(Z), expected)
    many = numbers(3, 6, 5)
    torch.testing.assert_close(torch.func.vmap(function)(many), torch.stack([function(z) for z in many]))
    per_sample = torch.func.vmap(torch.func.grad(lambda z: function(z).sum()))(many)
    torch.testing.assert_close(per_sample[0], torch.func.grad(lambda z: function(z).sum())(many[0]))
    assert runs_on_kernels(Z)


@every_function
def test_composed_operators_agree_with_the_kernels(function, monkeypatch):
    leaf = Z.clone().requires_grad_()
    expected = function(leaf)
    of_kernels = torch.autograd.grad(expected.sum(), leaf)[0]
    compose(monkeypatch)
    found = function(leaf)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), leaf)[0], of_kernels)


@every_function
def test_the_meta_device_knows_shapes_and_dtypes(function, monkeypatch):
    expected = function(Z)
    for name, tensor in (("Y", Y), ("TARGETS", TARGETS), ("WEIGHT", WEIGHT)):
        monkeypatch.setitem(globals(), name, tensor.to("meta"))
    found = function(Z.to("meta"))
    assert found.device.type == "meta"
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


def compose(monkeypatch):
    """Let every function run as on another device."""
    for name, module in list(sys.modules.items()):
        if name.startswith("lastlayer.torch.") and hasattr(module, "runs_on_kernels"):
            monkeypatch.setattr(module, "runs_on_kernels", lambda logits: False)


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(function, dtype):
    leaf = Z.to(dtype).requires_grad_()
    wide = leaf.detach().float().requires_grad_()
    found, expected = function(leaf), function(wide)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected.to(dtype), rtol=0, atol=0)
    gradient = torch.autograd.grad(found.sum(), leaf)[0]
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.float(), torch.autograd.grad(expected.sum(), wide)[0], rtol=2e-2, atol=2e-2)


@every_function
def test_autocast_changes_nothing(function):
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
    assert torch.equal(torch.autograd.grad(result, leaf, upstream)[0], first)
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@every_function
def test_forward_mode(function):
    tangent = numbers(6, 5)
    expected = torch.func.jvp(function, (Z,), (tangent,))[1]
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(Z, tangent)
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(function(dual)).tangent, expected)


@pytest.mark.filterwarnings("ignore")
def test_compiles_for_any_shape_and_any_beta():
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda z, beta: lt.softmax(z, beta=beta) + lt.log_softmax(z), fullgraph=True, dynamic=True, backend="aot_eager"
    )
    for rows, beta in ((5, 1.0), (6, 2.5), (9, 0.3)):
        z = numbers(rows, 4)
        torch.testing.assert_close(compiled(z, beta), lt.softmax(z, beta=beta) + lt.log_softmax(z))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ignored_rows_have_gradient_0_to_any_order_whatever_they_hold(bad, smoothing):
    z = torch.tensor([[1.0, 2.0], [bad, 1.0]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, -100])

    def loss(z):
        return lt.cross_entropy(z, y, label_smoothing=smoothing)

    (gradient,) = torch.autograd.grad(loss(z), z, create_graph=True)
    (second,) = torch.autograd.grad((gradient**2).sum(), z)
    for found in (gradient, second, torch.func.grad(loss)(z.detach())):
        assert found.isfinite().all()
        assert (found[1] == 0).all()


@pytest.mark.parametrize("bad", [[float("nan"), 1.0], [float("inf"), 0.0], [-float("inf"), -float("inf")]])
def test_a_bad_row_leaves_beta_the_gradient_of_the_others(bad):
    beta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    z = torch.tensor([[1.0, 2.0], bad], dtype=torch.float64)
    (found,) = torch.autograd.grad(lt.smooth_max(z, beta=beta)[0], beta)
    (expected,) = torch.autograd.grad(lt.smooth_max(z[:1], beta=beta).sum(), beta)
    torch.testing.assert_close(found, expected)


def test_a_row_of_minus_infinity_has_gradient_0_to_any_order():
    z = torch.full((1, 3), -float("inf"), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lt.logsumexp(z).exp().sum() + lt.logsumexp(z).sum(), z, create_graph=True)
    assert (gradient == 0).all()
    assert (torch.func.grad(lambda x: lt.logsumexp(x).sum())(z.detach()) == 0).all()


def test_an_impossible_no_leaves_the_weight_its_gradient():
    weight = torch.tensor(2.0, requires_grad=True)
    z, t = torch.tensor([-float("inf"), 1.0]), torch.tensor([0.0, 1.0])
    (found,) = torch.autograd.grad(lt.binary_cross_entropy(z, t, positive_weight=weight, reduction="sum"), weight)
    torch.testing.assert_close(found, torch.nn.functional.softplus(torch.tensor(-1.0)))
