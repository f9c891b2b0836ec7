import copy
import io
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from lastlayer.samplers import AllClassesWarning, InBatch, LogUniform, Uniform, Unigram
from lastlayer.torch import fast_path

Module = lt.SampledLinearCrossEntropyLoss


def batch(num_rows=12, num_true=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (num_rows,) if num_true is None else (num_rows, num_true)
    return torch.randn(num_rows, 6, generator=generator), torch.randint(0, 50, shape, generator=generator)


def module(**options):
    torch.manual_seed(0)
    options = {"num_candidates": 10, "sampler": LogUniform(50, random_state=3), "bias": True} | options
    return Module(6, 50, **options)


def test_in_training_it_is_the_sampled_loss():
    head, (input, target) = module(), batch()
    loss = head(input, target)
    drawn = LogUniform(50, random_state=3).sample(10)
    expected = lt.sampled_cross_entropy(input, head.linear.weight, target, drawn, linear_bias=head.linear.bias)
    torch.testing.assert_close(loss, expected)
    assert not torch.equal(head(input, target), loss)  # another draw
    torch.testing.assert_close(head(input, target, drawn), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_in_evaluation_it_is_the_full_softmax(reduction):
    head, (input, target) = module(reduction=reduction).eval(), batch()
    target[3] = -100
    logits = F.linear(input, head.linear.weight, head.linear.bias)
    torch.testing.assert_close(head(input, target), F.cross_entropy(logits, target, reduction=reduction))
    several = torch.stack([target, target, (target.clamp(min=0) + 1) % 50], 1)
    log_p = logits.log_softmax(1)
    expected = -(log_p.gather(1, several[:, 1:].clamp(min=0))).mean(1)
    expected[3] = -log_p[3, 1]
    found = module(reduction="none").eval()(input, several)
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:.*Sparse invariant checks.*")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("num_true", [None, 3])
@pytest.mark.parametrize("kernels", [True, False])
def test_sparse_gradients_are_the_dense_ones(bias, num_true, kernels, monkeypatch):
    if not kernels:
        monkeypatch.setattr(fast_path, "takes_sampled", lambda *_: False)
    input, target = batch(num_true=num_true)
    heads = [module(sparse=sparse, bias=bias, sampler=Uniform(50, random_state=1)) for sparse in (True, False)]
    for head in heads:
        (3 * head(input, target)).backward()
    for ours, theirs in zip(heads[0].parameters(), heads[1].parameters(), strict=True):
        assert ours.grad is not None
        assert ours.grad.is_sparse
        torch.testing.assert_close(ours.grad.to_dense(), theirs.grad)


@pytest.mark.filterwarnings("ignore:.*Sparse invariant checks.*")
@pytest.mark.parametrize("optimizer", [torch.optim.SparseAdam, torch.optim.SGD])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernels", [True, False])
def test_it_learns_with_sparse_gradients(optimizer, bias, kernels, monkeypatch):
    if not kernels:
        monkeypatch.setattr(fast_path, "takes_sampled", lambda *_: False)
    head, (input, target) = module(sparse=True, bias=bias, num_candidates=20), batch(64)
    step = optimizer(list(head.parameters()), lr=0.05 if optimizer is torch.optim.SparseAdam else 5.0)
    before = head.eval()(input, target).item()
    head.train()
    for _ in range(60):
        step.zero_grad()
        head(input, target).backward()
        step.step()
    assert head.eval()(input, target).item() < 0.7 * before


def test_a_state_goes_on_with_the_same_draws():
    head, (input, target) = module(), batch()
    head(input, target)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    expected = [head(input, target) for _ in range(3)]
    other = module(sampler=LogUniform(50, random_state=9))
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close([other(input, target) for _ in range(3)], expected, rtol=0, atol=0)
    with pytest.raises(ValueError, match="state: sampler is 'LogUniform', but that of this sampler is 'Uniform'"):
        module(sampler=Uniform(50)).load_state_dict(head.state_dict())


@pytest.mark.skipif(not hasattr(torch.nn, "LinearCrossEntropyLoss"), reason="PyTorch 2.13 and later have it")
@pytest.mark.parametrize("bias", [True, False])
def test_states_are_exchanged_with_torch(bias):
    ours, theirs = module(bias=bias), torch.nn.LinearCrossEntropyLoss(6, 50, bias=bias)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.linear.weight, theirs.linear.weight)
    other = torch.nn.LinearCrossEntropyLoss(6, 50, bias=bias)
    other.load_state_dict(ours.state_dict(), strict=False)
    input, target = batch()
    torch.testing.assert_close(ours.eval()(input, target), other(input, target))


def test_top_k_is_that_of_all_classes():
    head, (input, _) = module(), batch()
    found = head.top_k(input, 5)
    p = torch.softmax(F.linear(input, head.linear.weight, head.linear.bias), 1)
    expected = p.topk(5)
    assert isinstance(found, lt.TopK)
    torch.testing.assert_close(found.probabilities, expected.values.detach())
    torch.testing.assert_close(found.indices, expected.indices)


def test_a_batch_may_be_its_own_candidates():
    head, (input, target) = module(sampler=InBatch(50), num_candidates=None), batch()
    target[0] = -100
    loss = head(input, target)
    counter = InBatch(50)
    counter.update(target[1:].numpy())
    expected = lt.sampled_cross_entropy(
        input, head.linear.weight, target, counter.sample(target[1:].numpy()), linear_bias=head.linear.bias
    )
    torch.testing.assert_close(loss, expected)
    other = module(sampler=InBatch(50), num_candidates=None)
    other.load_state_dict(head.state_dict())
    torch.testing.assert_close(other(input, target), head(input, target))


def test_trap_21_as_many_candidates_as_classes_is_the_full_softmax():
    head, (input, target) = module(num_candidates=50), batch()
    with pytest.warns(AllClassesWarning):
        loss = head(input, target)
    torch.testing.assert_close(loss, F.cross_entropy(head.linear(input), target))
    torch.testing.assert_close(head(input, target), loss)  # and says so once


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_compiles():
    torch._dynamo.reset()
    head, (input, target) = module(sampler=Uniform(50, random_state=0)), batch()
    twin = copy.deepcopy(head)
    compiled = torch.compile(head, backend="aot_eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(input, target), twin(input, target))
    head.eval(), twin.eval()
    torch.testing.assert_close(compiled(input, target), twin(input, target))


def test_modules_without_numbers_get_them_later():
    input, target = batch()
    with torch.device("meta"):
        head = Module(6, 50, num_candidates=5, bias=True)
    assert isinstance(repr(head), str)
    assert head(input.to("meta"), target.to("meta")).is_meta
    assert head.eval()(input.to("meta"), target.to("meta")).is_meta
    head.to_empty(device="cpu").load_state_dict(module(sampler=Uniform(50)).state_dict())
    assert head.train()(input, target).isfinite()


def test_is_copied_and_pickled():
    head, (input, target) = module(sampler=Unigram(np.arange(1, 51), random_state=0)), batch()
    twins = [copy.deepcopy(head), pickle.loads(pickle.dumps(head))]
    expected = head(input, target)
    for twin in twins:
        torch.testing.assert_close(twin(input, target), expected)
        assert repr(twin) == repr(head)


def test_what_it_is_printed_with():
    expected = "num_candidates=10, sampler=LogUniform, sparse=False, reduction=mean, ignore_index=-100"
    assert expected in repr(module())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "num_candidates: received None, expected a whole number from 1 on"),
        ({"num_candidates": 0}, ValueError, "num_candidates: received 0, expected a whole number from 1 on"),
        ({"num_candidates": 2.0}, TypeError, "num_candidates: received 2.0, expected a whole number"),
        ({"num_candidates": 2, "sampler": Uniform(49)}, ValueError, "sampler: is for 49 classes, expected 50"),
        ({"num_candidates": 2, "sampler": "uniform"}, TypeError, "sampler: received str, expected one of lastlayer.s"),
        ({"num_candidates": 2, "sampler": InBatch(50)}, ValueError, "num_candidates: received 2, expected None beside"),
        ({"num_candidates": 2, "reduction": "avg"}, ValueError, "reduction: received 'avg'"),
    ],
)
def test_bad_options_get_one_sentence(options, error, words):
    with pytest.raises(error, match=words):
        Module(6, 50, **options)


def test_a_batch_without_labels_costs_nothing_whatever_the_sampler():
    for sampler, count in ((InBatch(50), None), (None, 5)):
        head = lt.SampledLinearCrossEntropyLoss(4, 50, num_candidates=count, sampler=sampler)
        loss = head(torch.randn(3, 4), torch.full((3,), -100))
        loss.backward()
        assert loss.item() == 0
        assert not head.linear.weight.grad.any()
