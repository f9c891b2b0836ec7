"""The sampled losses of tensors against those of arrays, and under what PyTorch does to functions."""

import numpy as np
import pytest
import torch

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.samplers import Candidates, LogUniform, Uniform, Unigram
from lastlayer.torch import fast_path

LOSSES = {"softmax": lt.sampled_cross_entropy, "binary": lt.sampled_binary_cross_entropy}
OF_ARRAYS = {
    "softmax": ll.sampled_cross_entropy_value_and_grad,
    "binary": ll.sampled_binary_cross_entropy_value_and_grad,
}
both = pytest.mark.parametrize("kind", LOSSES)
# Rows, features and classes where each number is moved, and each pair of them.
FEW = (4, 2, 9)


@pytest.fixture(params=["kernels", "composed"])
def path(request, monkeypatch):
    """Whether the kernels answer where they may, or nowhere."""
    if request.param == "composed":
        monkeypatch.setattr(fast_path, "takes_sampled", lambda *_: False)
    return request.param


pytestmark = pytest.mark.usefixtures("path")


def problem(dtype=torch.float64, num_true=None, seed=0, sizes=(7, 4, 20)):
    rows, features, classes = sizes
    generator = torch.Generator().manual_seed(seed)
    input, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in ((rows, features), (classes, features), (classes,))
    )
    shape = (rows,) if num_true is None else (rows, num_true)
    return input, weight, torch.randint(0, classes, shape, generator=generator), bias


def as_tensors(candidates, target):
    of_target = candidates.log_expected_count_of(target.clamp(min=0).numpy())
    return lt.Candidates(*map(torch.as_tensor, (candidates.indices, candidates.log_expected_count, of_target)))


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_true", [None, 1, 3])
@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("remove", [True, False])
def test_trap_12_losses_and_gradients_are_those_of_arrays(kind, dtype, num_true, distinct, remove):
    input, weight, target, bias = problem(dtype, num_true)
    if num_true == 3:
        target[1], target[2, 1:] = target[1, 0], -100
    candidates = LogUniform(20, distinct=distinct, random_state=0).sample(9)
    upstream = torch.rand(7, dtype=dtype, generator=torch.Generator().manual_seed(1))
    options = {"remove_accidental_hits": remove}
    losses = LOSSES[kind](input, weight, target, candidates, linear_bias=bias, reduction="none", **options)
    gradients = torch.autograd.grad(losses, (input, weight, bias), upstream)
    arrays = [tensor.detach().numpy() for tensor in (input, weight)]
    labels = target.masked_fill(target == -100, -1).numpy()
    expected = OF_ARRAYS[kind](
        *arrays, labels, candidates, bias=bias.detach().numpy(), sample_weight=upstream.numpy(), **options
    )
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-13}
    torch.testing.assert_close(losses.detach(), torch.from_numpy(expected.losses), **tolerance)
    dense = (expected.features, expected.weight.to_dense(20), expected.bias.to_dense(20))
    for ours, theirs in zip(gradients, dense, strict=True):
        torch.testing.assert_close(ours, torch.from_numpy(theirs), **tolerance)


@both
@pytest.mark.parametrize("num_true", [None, 2])
def test_trap_13_gradients_of_any_order_are_finite_differences(kind, num_true):
    input, weight, target, bias = problem(num_true=num_true, sizes=FEW)
    candidates = as_tensors(Uniform(9, random_state=0).sample(4), target)

    def function(x, w, b):
        return LOSSES[kind](x, w, target, candidates, linear_bias=b)

    assert torch.autograd.gradcheck(function, (input, weight, bias))
    assert torch.autograd.gradgradcheck(function, (input, weight, bias))


@both
@pytest.mark.parametrize("reduction", ["mean", pytest.param("sum", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("num_true", [None, 3])
def test_trap_12_and_13_gradients_of_the_reduced_loss(kind, reduction, num_true):
    input, weight, target, bias = problem(num_true=num_true, sizes=FEW)
    target[0] = -100
    candidates = Unigram(np.arange(1, 10), random_state=0).sample(4)

    def function(x, w, b):
        return LOSSES[kind](x, w, target, candidates, linear_bias=b, reduction=reduction)

    each = LOSSES[kind](input, weight, target, candidates, linear_bias=bias, reduction="none")
    kept = each if kind == "binary" and num_true else each[1:]
    expected = kept.mean() if reduction == "mean" else kept.sum()
    found = function(input, weight, bias)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(function(*(tensor.detach() for tensor in (input, weight, bias))), expected.detach())
    gradients = [torch.autograd.grad(-3.7 * loss, (input, weight, bias)) for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert torch.autograd.gradcheck(function, (input, weight, bias))
    assert torch.autograd.gradgradcheck(function, (input, weight, bias))
    (alone,) = torch.autograd.grad(function(input.detach(), weight, bias.detach()), weight)
    torch.testing.assert_close(-3.7 * alone, gradients[0][1])


@both
def test_trap_13_backward_twice_and_inputs_left_alone(kind):
    input, weight, target, _ = problem()
    before = weight.detach().clone()
    loss = LOSSES[kind](input, weight, target, Uniform(20, random_state=0).sample(6))
    first, second = (torch.autograd.grad(loss, (input, weight), retain_graph=retain) for retain in (True, False))
    torch.testing.assert_close(first, second)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, weight)
    assert torch.equal(weight, before)


@both
def test_reductions_and_ignored_rows(kind):
    input, weight, target, _ = problem()
    target[[1, 4]] = -100
    candidates = Uniform(20, random_state=0).sample(6)
    each = LOSSES[kind](input, weight, target, candidates, reduction="none")
    kept = target != -100
    assert (each[~kept] == 0).all()
    whole = LOSSES[kind](input[kept], weight, target[kept], candidates, reduction="none")
    torch.testing.assert_close(each[kept], whole)
    torch.testing.assert_close(LOSSES[kind](input, weight, target, candidates, reduction="sum"), whole.sum())
    torch.testing.assert_close(LOSSES[kind](input, weight, target, candidates), whole.mean())
    other = target.masked_fill(~kept, 3)
    other[0] = 5
    expected = LOSSES[kind](input, weight, other.masked_fill(other == 3, -100), candidates)
    torch.testing.assert_close(LOSSES[kind](input, weight, other, candidates, ignore_index=3), expected)


@both
def test_trap_10_a_mean_over_nothing_is_0(kind):
    input, weight, target, _ = problem()
    loss = LOSSES[kind](input, weight, torch.full_like(target, -100), Uniform(20, random_state=0).sample(6))
    loss.backward()
    assert loss == 0
    assert (input.grad == 0).all()
    assert (weight.grad == 0).all()
    empty = LOSSES[kind](input[:0], weight, target[:0], Uniform(20, random_state=0).sample(6))
    assert empty == 0


@both
def test_trap_19_tensors_of_ones_own_are_candidates_too(kind):
    input, weight, target, bias = problem(num_true=2)
    candidates = Unigram(np.arange(1, 21), random_state=0).sample(6)
    expected = LOSSES[kind](input, weight, target, candidates, linear_bias=bias)
    found = LOSSES[kind](input, weight, target, as_tensors(candidates, target), linear_bias=bias)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("path", ["kernels"], indirect=True)  # which a compiled program never takes
@pytest.mark.filterwarnings("ignore")
@both
@pytest.mark.parametrize("num_true", [None, pytest.param(2, marks=pytest.mark.thorough)])
def test_compiles_without_a_break_for_candidates_of_tensors(kind, num_true):
    torch._dynamo.reset()
    input, weight, target, bias = problem(num_true=num_true, sizes=FEW)
    candidates = as_tensors(Uniform(9, random_state=0).sample(4), target)

    def function(x, w, b, y, c):
        return LOSSES[kind](x, w, y, c, linear_bias=b)

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    results = [f(input, weight, bias, target, candidates) for f in (compiled, function)]
    torch.testing.assert_close(*results)
    gradients = [torch.autograd.grad(result, (input, weight, bias)) for result in results]
    torch.testing.assert_close(*gradients)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@both
def test_compiles_around_the_candidates_of_a_sampler(kind):
    torch._dynamo.reset()
    input, weight, target, _ = problem()
    candidates = Uniform(20, random_state=0).sample(6)
    compiled = torch.compile(lambda x, w: LOSSES[kind](x * 2, w, target, candidates), backend="aot_eager")
    torch.testing.assert_close(compiled(input, weight), LOSSES[kind](input * 2, weight, target, candidates))


@both
def test_torch_func(kind):
    input, weight, target, _ = problem()
    candidates = as_tensors(Uniform(20, random_state=0).sample(6), target)
    expected = torch.autograd.grad(LOSSES[kind](input, weight, target, candidates), input)[0]
    found = torch.func.grad(lambda x: LOSSES[kind](x, weight, target, candidates))(input.detach())
    torch.testing.assert_close(found, expected)


@both
def test_the_meta_device_knows_shapes_and_dtypes(kind):
    input, weight, target, bias = (tensor.to("meta") for tensor in problem())
    candidates = Uniform(20, random_state=0).sample(6)
    for reduction, shape in (("none", (7,)), ("mean", ())):
        found = LOSSES[kind](input, weight, target, candidates, linear_bias=bias, reduction=reduction)
        assert found.device.type == "meta"
        assert (found.shape, found.dtype) == (shape, torch.float64)


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_half_precision(kind, dtype):
    input, weight, target, bias = problem(dtype)
    candidates = Uniform(20, random_state=0).sample(6)
    wide = [tensor.detach().float().requires_grad_() for tensor in (input, weight, bias)]
    found = LOSSES[kind](input, weight, target, candidates, linear_bias=bias)
    expected = LOSSES[kind](wide[0], wide[1], target, candidates, linear_bias=wide[2])
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=3e-2, atol=3e-2)
    for ours, theirs in zip(
        torch.autograd.grad(found, (input, weight, bias)), torch.autograd.grad(expected, wide), strict=True
    ):
        torch.testing.assert_close(ours.float(), theirs, rtol=5e-2, atol=3e-2)


@both
def test_trap_41_a_loss_under_autocast_is_float32(kind):
    input, weight, target, _ = problem(torch.float32)
    candidates = Uniform(20, random_state=0).sample(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = LOSSES[kind](input, weight, target, candidates)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, LOSSES[kind](input, weight, target, candidates), rtol=3e-2, atol=3e-2)


@both
def test_a_recorded_program_decides_when_it_runs(kind):
    input, weight, target, _ = problem()
    candidates = as_tensors(Uniform(20, random_state=0).sample(6), target)

    def program(x, w, y, indices, counts, of_target):
        return LOSSES[kind](x, w, y, lt.Candidates(indices, counts, of_target))

    recorded = torch.fx.symbolic_trace(program)
    torch.testing.assert_close(
        recorded(input, weight, target, *candidates), LOSSES[kind](input, weight, target, candidates)
    )


X, W, Y = torch.zeros(3, 2), torch.zeros(5, 2), torch.tensor([0, 1, 4])
C = Uniform(5, random_state=0).sample(2)


@pytest.mark.parametrize("function", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((X.numpy(), W, Y, C), {}, TypeError, "input: received a numpy.ndarray, expected a torch.Tensor"),
        ((X, W, Y.numpy(), C), {}, TypeError, "target: received a numpy.ndarray"),
        ((X, W[:, :1], Y, C), {}, ValueError, r"input: shape is \(3, 2\) beside linear_weight \(5, 1\), expected"),
        ((X, W, Y[:2], C), {}, ValueError, r"target: is torch.int64 of shape \(2,\), expected integers \(3,\) or"),
        ((X, W, Y.float(), C), {}, ValueError, "target: is torch.float32 of shape"),
        ((X, W, torch.tensor([0, 5, 1]), C), {}, IndexError, "target: row 1 is 5, expected 0 to 4"),
        ((X, W, torch.tensor([[0, 1], [2, -1], [3, 3]]), C), {}, IndexError, r"target: row \(1, 1\) is -1, expected"),
        ((X, W, Y, [1, 2]), {}, TypeError, "candidates: received list, expected lastlayer.samplers.Candidates, or"),
        ((X, W, Y, Candidates([7], [0.0])), {}, ValueError, "candidates: entry 0 is 7, but there are 5 classes"),
        (
            (X, W, Y, Unigram([1, 0, 1, 1, 1], random_state=0).sample(2)),
            {},
            ValueError,
            "target: row 1 is 1, expected a class that the sampler may draw",
        ),
        ((X, W, Y, C), {"linear_bias": X[0]}, ValueError, r"linear_bias: shape is \(2,\), expected \(5,\)"),
        ((X, W, Y, C), {"reduction": "avg"}, ValueError, "reduction: received 'avg'"),
        ((X, W, Y, C), {"ignore_index": None}, TypeError, "ignore_index: received None"),
    ],
)
def test_trap_09_bad_input_gets_one_sentence(function, arguments, options, error, words):
    with pytest.raises(error, match=words):
        function(*arguments, **options)


def test_a_target_that_is_changed_before_backward_changes_no_gradient():
    x, w = torch.randn(30, 4), torch.randn(40, 4, requires_grad=True)
    target, candidates = torch.randint(0, 40, (30,)), ll.samplers.Uniform(40, random_state=0).sample(5)
    (expected,) = torch.autograd.grad(lt.sampled_cross_entropy(x, w, target, candidates), w)
    loss = lt.sampled_cross_entropy(x, w, target, candidates)
    target.fill_(3)
    if sampled_by_kernels(x, w, target):
        with pytest.raises(RuntimeError, match="inplace"):
            torch.autograd.grad(loss, w)
    else:
        (found,) = torch.autograd.grad(loss, w)
        torch.testing.assert_close(found, expected)


def sampled_by_kernels(x, w, target):
    return fast_path.takes_sampled(x, w, target, None)
