"""PyTorch's own test cases for its operators (torch.testing._internal), run through ours and compared."""

import warnings

import pytest
import torch

import lastlayer.torch as lt

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 1.6e-2, torch.float16: 2e-3}


def operator(name, variant=""):
    (found,) = (op for op in op_db if op.name == name and op.variant_test_name == variant)
    return found


def loss_options(keywords):
    """The keywords of torch.nn.functional in our words; the deprecated ones say what `reduction` says now."""
    options = {}
    for theirs, ours in (("weight", "class_weight"), ("ignore_index", "ignore_index"), ("reduction", "reduction")):
        if keywords.get(theirs) is not None:
            options[ours] = keywords[theirs]
    return options


def run_softmax(function):
    def run(logits, dim, dtype=None):
        return function(logits if dtype is None else logits.to(dtype), dim)

    return run


def run_cross_entropy(logits, target, **keywords):
    weight = keywords.get("weight")
    module = lt.CrossEntropyLoss(weight, **{key: value for key, value in keywords.items() if key != "weight"})
    return module(logits, target)


def run_binary(logits, target, **keywords):
    keywords = {key: value for key, value in keywords.items() if value is not None}
    return lt.BCEWithLogitsLoss(keywords.pop("weight", None), **keywords)(logits, target)


def run_nll(logits, labels, **keywords):
    return lt.nll(logits, labels, **loss_options(keywords))


def run_logsumexp(logits, dim, keepdim=False):
    return lt.logsumexp(logits, dim, keepdim=keepdim)


# (our function, PyTorch's name, variant, how many of its samples there are at least)
CASES = [
    (run_softmax(lt.softmax), "softmax", "", 5),
    (run_softmax(lt.softmax), "softmax", "with_dtype", 5),
    (run_softmax(lt.log_softmax), "log_softmax", "", 5),
    (run_softmax(lt.log_softmax), "log_softmax", "with_dtype", 5),
    (run_logsumexp, "logsumexp", "", 5),
    (lt.sigmoid, "sigmoid", "", 3),
    (lt.log_sigmoid, "nn.functional.logsigmoid", "", 2),
    (run_nll, "nn.functional.nll_loss", "", 10),
    (run_cross_entropy, "nn.functional.cross_entropy", "", 20),
    (run_binary, "nn.functional.binary_cross_entropy_with_logits", "", 10),
]


def excluded(name, sample):
    """Why a sample has another answer here on purpose, or None."""
    if name in ("softmax", "log_softmax", "logsumexp") and 0 in sample.input.shape:
        dims = sample.args[0] if sample.args else sample.kwargs["dim"]
        dims = dims if isinstance(dims, tuple) else (dims,)
        if any(sample.input.ndim and sample.input.shape[dim] == 0 for dim in dims):
            return "no classes: a ValueError here"
    return None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("ours", "name", "variant", "least"), CASES)
def test_agrees_with_pytorch(ours, name, variant, least, dtype):
    op, ran = operator(name, variant), 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        if excluded(name, sample):
            continue
        ran += 1
        found = ours(sample.input, *sample.args, **sample.kwargs)
        expected = op.op(sample.input, *sample.args, **sample.kwargs)
        agree(found, expected, sample)
        if not expected.requires_grad:
            continue
        upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(ran)).to(expected.dtype)
        of_ours, of_theirs = (torch.autograd.grad(result, sample.input, upstream)[0] for result in (found, expected))
        agree(of_ours, of_theirs, sample)
    assert ran >= least
    print(f"{name} {variant} {dtype}: {ran} samples")


def agree(found, expected, sample):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    tolerance = TOLERANCE[sample.input.dtype]
    scale = max(1.0, expected.detach().abs().nan_to_num(0, 0, 0).max().item() if expected.numel() else 1.0)
    # A mean over nothing is 0 here and NaN there.
    nothing = expected.isnan() & (found == 0)
    torch.testing.assert_close(
        found.masked_fill(nothing, 0.0),
        expected.masked_fill(nothing, 0.0),
        rtol=tolerance,
        atol=tolerance * scale,
        equal_nan=True,
        msg=lambda text: f"{text}\n{sample}",
    )
