"""PyTorch's own test cases for its operators (torch.testing._internal), run through ours and compared."""

import warnings

import pytest
import torch

import lastlayer.torch as lt

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 1.6e-2, torch.float16: 2e-3}


def operator(name, variant=""):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Takes seconds, which only the process that runs these tests has to spend.
        from torch.testing._internal.common_methods_invocations import op_db
    (found,) = (op for op in op_db if op.name == name and op.variant_test_name == variant)
    return found


def without_deprecated(function):
    """`function` where size_average and reduce, which PyTorch's samples pass, say what `reduction` says now."""

    def run(*arguments, size_average=None, reduce=None, **options):
        if size_average is not None or reduce is not None:
            options["reduction"] = torch.nn._reduction.legacy_get_string(size_average, reduce, emit_warning=False)
        return function(*arguments, **options)

    return run


# (our function, PyTorch's name, variant, how many of its samples there are at least)
CASES = [
    (lt.softmax, "softmax", "", 5),
    (lt.softmax, "softmax", "with_dtype", 5),
    (lt.log_softmax, "log_softmax", "", 5),
    (lt.log_softmax, "log_softmax", "with_dtype", 5),
    (lt.logsumexp, "logsumexp", "", 5),
    (lt.sigmoid, "sigmoid", "", 3),
    (lt.log_sigmoid, "nn.functional.logsigmoid", "", 2),
    (without_deprecated(lt.nll), "nn.functional.nll_loss", "", 10),
    (without_deprecated(lt.cross_entropy), "nn.functional.cross_entropy", "", 20),
    (
        without_deprecated(lt.binary_cross_entropy_with_logits),
        "nn.functional.binary_cross_entropy_with_logits",
        "",
        10,
    ),
]


@pytest.mark.thorough
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("ours", "name", "variant", "least"), CASES)
def test_agrees_with_pytorch(ours, name, variant, least, dtype):
    op, ran = operator(name, variant), 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
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
