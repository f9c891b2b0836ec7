"""Next-word prediction with a full, a fused and a sampled output layer: time a step, memory, and perplexity of each.

A word is predicted from the four before it: their embeddings, one hidden layer, and a head over all words. The text is
WikiText-2 (LASTLAYER_DATA names the folder that holds wikitext2): trained on test.txt, judged on valid.txt, always by
the full softmax. `--quick` takes a few steps only.
"""
# PyTorch's own methods are typed in part only.
# pyright: reportUnknownMemberType=false

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import torch

import lastlayer as ll
import lastlayer.torch as lt

# PyTorch's Adagrad builds sparse tensors, and warns unless it is told whether to check them.
torch.sparse.check_sparse_tensor_invariants.disable()

CONTEXT, EMBEDDING, HIDDEN, BATCH, EPOCHS, CANDIDATES = 4, 64, 128, 512, 2, 1000
HEADS = ("full", "fused", "sampled")
DATA = Path(os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data") / "wikitext2"


class Words(torch.nn.Module):
    """Features of the next word, (N, HIDDEN), from the words before it, (N, CONTEXT)."""

    def __init__(self, num_words: int):
        super().__init__()
        self.embedding = torch.nn.Embedding(num_words, EMBEDDING, sparse=True)
        self.hidden = torch.nn.Linear(CONTEXT * EMBEDDING, HIDDEN)

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        """The features."""
        return torch.relu(self.hidden(self.embedding(context).flatten(1)))


class FullHead(torch.nn.Module):
    """What one would write with PyTorch alone: all logits, then their cross-entropy."""

    def __init__(self, num_words: int):
        super().__init__()
        self.linear = torch.nn.Linear(HIDDEN, num_words)

    def forward(self, features: torch.Tensor, word: torch.Tensor) -> torch.Tensor:
        """The mean loss in nats."""
        return torch.nn.functional.cross_entropy(self.linear(features), word)


def head_of(kind: str, num_words: int, counts: torch.Tensor) -> torch.nn.Module:
    """One of HEADS; each holds a torch.nn.Linear by the name of `linear`."""
    if kind == "full":
        return FullHead(num_words)
    if kind == "fused":
        return lt.LinearCrossEntropyLoss(HIDDEN, num_words, bias=True)
    sampler = ll.samplers.Unigram(counts.numpy(), random_state=0)
    return lt.SampledLinearCrossEntropyLoss(
        HIDDEN, num_words, num_candidates=CANDIDATES, sampler=sampler, bias=True, sparse=True
    )


def read(quick: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words of the two texts as indices, the commonest first, and the counts of the first; 0 is what it has not."""
    train, valid = (
        (DATA / name).read_text(encoding="utf-8").replace("\n", " <eos> ").split() for name in ("test.txt", "valid.txt")
    )
    train, valid = (train[:20_000], valid[:4_000]) if quick else (train, valid)
    seen = Counter(train)
    seen["<unk>"] = max(seen.values()) + 1
    index = {word: k for k, (word, _) in enumerate(seen.most_common())}
    first, second = (torch.tensor([index.get(word, 0) for word in words]) for words in (train, valid))
    return first, second, torch.bincount(first, minlength=len(index)).clamp(min=1)


def examples(words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each word with the CONTEXT words before it."""
    windows = words.unfold(0, CONTEXT + 1, 1)
    return windows[:, :-1], windows[:, -1]


def perplexity(body: torch.nn.Module, linear: torch.nn.Linear, words: torch.Tensor) -> float:
    """The exponential of the mean loss of the full softmax, which is never formed."""
    context, word = examples(words)
    with torch.no_grad():
        loss: torch.Tensor = lt.linear_cross_entropy(body(context), linear.weight, word, linear_bias=linear.bias)
    return math.exp(loss.item())


def train(kind: str, quick: bool) -> None:
    """Train one head and print a line about it."""
    torch.manual_seed(0)
    words, valid, counts = read(quick)
    context, word = examples(words)
    body, head = Words(len(counts)), head_of(kind, len(counts), counts)
    linear = head.get_submodule("linear")
    assert isinstance(linear, torch.nn.Linear)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_((counts / counts.sum()).log())
    # Adagrad takes sparse gradients, and then moves only the rows that are in them.
    optimizer = torch.optim.Adagrad([*body.parameters(), *head.parameters()], lr=0.05)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: list[float] = []
    for _ in range(1 if quick else EPOCHS):
        order = torch.randperm(len(word))
        for start in range(0, 3 * BATCH if quick else len(word), BATCH):
            rows = order[start : start + BATCH]
            began = time.perf_counter()
            loss: torch.Tensor = head(body(context[rows]), word[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds.append(time.perf_counter() - began)
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit
    print(
        f"{kind:8} {1000 * statistics.median(seconds):7.1f} ms a step  {sum(seconds):6.1f} s  {peak:5.0f} MB more"
        f"  perplexity {perplexity(body, linear, valid):7.1f}",
        flush=True,
    )


def main() -> None:
    """Each head in a process of its own, since peak memory is one of the process; a few steps, in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps only")
    parser.add_argument("--head", choices=HEADS, help="one head alone, in this process")
    options = parser.parse_args()
    if not DATA.exists():
        print(f"no data in {DATA}; LASTLAYER_DATA names the folder that holds wikitext2")
    elif options.head or options.quick:
        for kind in [options.head] if options.head else HEADS:
            train(kind, options.quick)
    else:
        for kind in HEADS:
            subprocess.run([sys.executable, __file__, "--head", kind, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
