import pytest
import torch

from lastlayer.decision import top_k
from lastlayer.torch import _streamed_top_k
from lastlayer.torch._streamed_top_k import streamed_top_k


@pytest.mark.parametrize("k", [1, 3, 17, 60])
@pytest.mark.parametrize("tile", [50, 1 << 10, 1 << 22])
@pytest.mark.parametrize("group", [2, 3, 32])
@pytest.mark.parametrize("bias", [True, False])
def test_is_the_top_k_of_all_logits(k, tile, group, bias, monkeypatch):
    monkeypatch.setattr(_streamed_top_k, "_LOGITS", tile)
    monkeypatch.setattr(_streamed_top_k, "_ROWS", 4)
    monkeypatch.setattr(_streamed_top_k, "_GROUP", group)
    generator = torch.Generator().manual_seed(0)
    # Small whole numbers: many logits are equal, and none is rounded.
    input, weight = (torch.randint(-2, 3, shape, generator=generator).double() for shape in ((11, 4), (60, 4)))
    offset = torch.randint(-2, 3, (60,), generator=generator).double() if bias else None
    found = streamed_top_k(input, weight, offset, k)
    logits = input @ weight.T + (offset if bias else 0)
    expected = top_k(logits.numpy(), k)
    torch.testing.assert_close(found.indices, torch.from_numpy(expected.indices), rtol=0, atol=0)
    torch.testing.assert_close(found.probabilities, torch.from_numpy(expected.probabilities), rtol=1e-13, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes(dtype):
    generator = torch.Generator().manual_seed(0)
    input, weight = (torch.randn(shape, generator=generator).to(dtype) for shape in ((5, 4), (300, 4)))
    found = streamed_top_k(input, weight, None, 4)
    assert found.probabilities.dtype == dtype
    assert found.indices.dtype == torch.int64
    p = torch.softmax((input @ weight.T).float(), 1)
    torch.testing.assert_close(found.probabilities.float(), p.topk(4).values, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("tile", [64, 1 << 20])
def test_trap_03_tiles_and_rows_of_impossible_classes(tile, monkeypatch):
    monkeypatch.setattr(_streamed_top_k, "_LOGITS", tile)
    bias = torch.full((300,), -torch.inf)
    bias[200:210] = torch.arange(10.0)
    found = streamed_top_k(torch.zeros(2, 4), torch.ones(300, 4), bias, 12)
    assert found.indices[0].tolist() == [*range(209, 199, -1), 0, 1]
    torch.testing.assert_close(found.probabilities[:, :10], torch.softmax(bias, 0)[200:210].flip(0).expand(2, 10))
    assert (found.probabilities[:, 10:] == 0).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_trap_04_a_spoilt_row_is_nan_alone(bad):
    weight = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    found = streamed_top_k(torch.tensor([[0.0, 1.0, 2.0, 3.0], [bad, 0.0, 0.0, 0.0]]), weight, None, 3)
    assert found.probabilities[1].isnan().all()
    assert found.probabilities[0].isfinite().all()


def test_no_rows_and_no_gradients():
    weight = torch.randn(9, 4, requires_grad=True)
    found = streamed_top_k(torch.zeros(0, 4), weight, None, 2)
    assert found.indices.shape == found.probabilities.shape == (0, 2)
    assert not streamed_top_k(torch.zeros(3, 4), weight, None, 2).probabilities.requires_grad


@pytest.mark.parametrize(
    ("k", "error", "words"),
    [
        (0, ValueError, "k: received 0, expected 1 to 9, the number of classes"),
        (10, ValueError, "k: received 10, expected 1 to 9"),
        (2.0, TypeError, "k: received 2.0, expected a whole number from 1 to 9"),
        (True, TypeError, "k: received True"),
    ],
)
def test_bad_input_gets_one_sentence(k, error, words):
    with pytest.raises(error, match=words):
        streamed_top_k(torch.zeros(3, 4), torch.zeros(9, 4), None, k)
    with pytest.raises(ValueError, match=r"input: shape is \(3, 5\), expected \(N, 4\)"):
        streamed_top_k(torch.zeros(3, 5), torch.zeros(9, 4), None, 1)
