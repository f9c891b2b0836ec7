"""Ctrl-C during `lastlayer fit --ray`: what is said, what is written, and that no process of Ray is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")


def marked(mark):
    """The processes that have inherited a mark in their environment."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue  # it has ended, or is another user's
    return [command for command in found if command]


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc")
def test_ctrl_c_writes_nothing_and_leaves_no_process(tmp_path):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((20_000, 200)), rng.integers(0, 50, 20_000)
    table, model = tmp_path / "rows.parquet", tmp_path / "m.safetensors"
    pl.DataFrame({"x": pl.Series(features, dtype=pl.Array(pl.Float64, 200)), "kind": labels}).write_parquet(table)
    mark = f"marked by {os.getpid()}"
    command = [sys.executable, "-m", "lastlayer", "fit", str(table), "--label", "kind", "-o", str(model)]
    command += ["--ray", "--workers", "1", "--tol", "1e-300", "--C", "1e9", "--max-iter", "100000000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LASTLAYER_TEST": mark}
    ) as process:
        assert process.stderr is not None
        begun = b""
        while b"iteration " not in begun:
            piece = os.read(process.stderr.fileno(), 1 << 16)
            assert piece, begun
            begun += piece
        assert len(marked(mark.encode())) > 1
        process.send_signal(signal.SIGINT)
        output, rest = process.communicate()
    assert (process.returncode, output) == (130, b"")
    last = rest.decode().splitlines()[-1]
    assert last.startswith("error: interrupted at objective ")
    assert last.endswith(f"; {model} was not written.")
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.parquet"]
    end = time.monotonic() + 20
    while left := marked(mark.encode()):
        assert time.monotonic() < end, left
        time.sleep(0.05)
