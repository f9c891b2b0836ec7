"""Where the compiled kernels win: `python -m benchmarks torch --window` writes src/lastlayer/torch/_windows.py.

A number of classes is inside a window from the fewest rows on where the kernels are at least 1.3 times as fast as
PyTorch's operators, forward and with backward, at that and at every larger size measured. Windows are runs of at least
three such numbers, each with the rows of the most demanding of its neighbours, so that the noise of one measurement
does not open one. PyTorch's own loops change where a row fills a vector, so there is a table for
AVX-512 and one for AVX2; a processor of the first measures both.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from lastlayer.torch import _windows, fast_path

# fmt: off
CLASSES = (
    *range(2, 18), 20, 23, 28, 37, 48, 63, 64, 95, 100, 128, 150, 211, 300, 500, 1000, 2000, 5000, 20_000, 65_536,
    262_144,
)
# fmt: on
FEW_CLASSES = range(2, 17)
ROWS = tuple(4**k for k in range(3, 11))
_MOST_LOGITS, _QUICK_LOGITS, _FACTOR = 5_000_000, 2_000_000, 1.3
_WIDTH, _SHORTEST_RUN = 120, 3
_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_FUNCTIONS = {
    "softmax": (lambda z, y: lt.softmax(z, 1), lambda z, y: F.softmax(z, 1)),
    "log_softmax": (lambda z, y: lt.log_softmax(z, 1), lambda z, y: F.log_softmax(z, 1)),
    "cross_entropy": (lambda z, y: lt.cross_entropy(z, y), lambda z, y: F.cross_entropy(z, y)),
}


def measure(*, quick):
    """Measure with AVX-512 and with AVX2 alone, write the tables, and return the figures; `quick`: up to 16 classes."""
    cells = {name: _in_a_process(isa, quick) for name, isa in (("AVX512", "avx512"), ("AVX2", "avx2"))}
    path = Path(_windows.__file__)
    path.write_text(source({name: table_of(found) for name, found in cells.items()}))
    print(f"\n{path.read_text()}\nwritten: {path}")
    return {"cells": cells}


def table_of(cells):
    """The windows of each function and dtype."""
    return {
        (name, kind): merged(smoothed(least_rows([cell for cell in cells if cell[:2] == [name, dtype]])))
        for name in _FUNCTIONS
        for dtype, kind in _DTYPES.items()
    }


def grid(quick):
    """Figures of every size: [function, dtype, classes, rows, times as fast forward, with backward]."""
    from benchmarks.torch import forward, forward_and_backward, timed

    everything = {(name, dtype): ((1, 1 << 30, 0),) for name in _FUNCTIONS for dtype in _DTYPES.values()}
    fast_path.WINDOWS = everything
    cells, generator = [], torch.Generator().manual_seed(0)
    for dtype, kind in _DTYPES.items():
        for classes in FEW_CLASSES if quick else CLASSES:
            most = _QUICK_LOGITS if quick else _MOST_LOGITS
            for rows in [rows for rows in (1, 4, 16, *ROWS) if 2048 <= rows * classes <= most]:
                logits = torch.randn((rows, classes), generator=generator, dtype=kind)
                labels = torch.randint(0, classes, (rows,), generator=generator)
                upstream = torch.randn(logits.shape, generator=generator, dtype=kind)
                for name, both in _FUNCTIONS.items():
                    given = None if name == "cross_entropy" else upstream
                    times = []
                    for run in (forward, forward_and_backward):
                        calls = [run(lambda z, y, _, f=f: f(z, y), logits, labels, None, given) for f in both]
                        ours, theirs = timed(calls, rounds=5 if quick else 9)
                        times.append(theirs / ours)
                    cells.append([name, dtype, classes, rows, *times])
                    line = f"{name:15}{dtype:9}{classes:7} classes {rows:8} rows"
                    print(f"{line}{times[0]:7.2f}{times[1]:7.2f}", file=sys.stderr, flush=True)
    return cells


def _in_a_process(isa, quick):
    """The figures of a process with these instructions; its kernels are compiled anew."""
    from benchmarks.__main__ import with_isa

    environment = with_isa(isa)
    command = [sys.executable, "-m", "benchmarks.windows", "quick" if quick else "whole"]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def least_rows(cells):
    """For each number of classes the fewest rows from which the kernels win at every size that was measured."""
    found, lost = {}, set()
    for _, _, classes, rows, *times in sorted(cells, key=lambda cell: -cell[3]):
        if min(times) < _FACTOR:
            lost.add(classes)
        elif classes not in lost:
            found[classes] = rows
    return found


def smoothed(least):
    """The measured numbers of classes that `least` holds with two neighbours, each with the most rows of the three.

    Returns: runs of consecutive measured numbers, each a dict as `least` is.
    """
    runs = [[]]
    for classes in CLASSES:
        if classes in least:
            runs[-1].append(classes)
        elif runs[-1]:
            runs.append([])
    return [
        {k: max(least[near] for near in run[max(0, i - 1) : i + 2]) for i, k in enumerate(run)}
        for run in runs
        if len(run) >= _SHORTEST_RUN
    ]


def merged(runs):
    """Windows (first, last, fewest rows) of consecutive measured numbers of classes with the same rows."""
    windows = []
    for run in runs:
        for i, (classes, rows) in enumerate(run.items()):
            if i and windows[-1][2] == rows:
                windows[-1] = (windows[-1][0], classes, rows)
            else:
                windows.append((classes, classes, rows))
    return tuple(windows)


def source(tables):
    """The tables as the module that holds them."""
    lines = []
    for instructions, table in tables.items():
        lines.append(f'    "{instructions}": {{')
        for (name, dtype), windows in table.items():
            inside = ", ".join(map(str, windows)) + ("," if len(windows) == 1 else "")
            line = f'        ("{name}", {dtype}): ({inside}),'
            if len(line) > _WIDTH:
                every = (f"            {window}," for window in windows)
                line = "\n".join([f'        ("{name}", {dtype}): (', *every, "        ),"])
            lines.append(line)
        lines.append("    },")
    return "\n".join(
        [
            '"""Where the compiled kernels win, written by `python -m benchmarks torch --window`."""',
            "",
            "import torch",
            "",
            "Windows = tuple[tuple[int, int, int], ...]",
            "# By the instructions that PyTorch uses, then by function and dtype: windows of (first number of classes,",
            "# last one, fewest rows), in ascending order.",
            "WINDOWS: dict[str, dict[tuple[str, torch.dtype], Windows]] = {",
            *lines,
            "}",
            "",
        ]
    )


if __name__ == "__main__":
    json.dump(grid(sys.argv[1] == "quick"), sys.stdout)
