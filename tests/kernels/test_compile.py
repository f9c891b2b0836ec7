import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from lastlayer.kernels import _compile

PROGRAM = """
import numpy
from lastlayer.kernels.sigmoid import sigmoid_entries
out = numpy.empty(3)
sigmoid_entries(numpy.zeros(3), out)
print(out.sum(), sum(sigmoid_entries.stats.cache_hits.values()), sum(sigmoid_entries.stats.cache_misses.values()))
"""


def start(cache, **environment):
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=variables, stdout=subprocess.PIPE, text=True)


def finish(process):
    output = process.communicate()[0].split()
    assert process.returncode == 0
    return float(output[0]), int(output[1]), int(output[2])


def test_trap_29_two_processes_on_a_cold_cache_and_a_third_on_a_warm_one(tmp_path):
    both = start(tmp_path), start(tmp_path)
    assert [finish(process)[0] for process in both] == [1.5, 1.5]
    assert finish(start(tmp_path)) == (1.5, 1, 0)


def test_a_changed_device_function_is_compiled_into_the_kernels_anew(tmp_path):
    package = Path(_compile.__file__).parents[1]
    shutil.copytree(package, tmp_path / "lastlayer", ignore=shutil.ignore_patterns("__pycache__"))
    assert finish(start(tmp_path / "cache", PYTHONPATH=str(tmp_path))) == (1.5, 0, 1)
    with open(tmp_path / "lastlayer" / "kernels" / "exponential.py", "a") as source:
        source.write("\n# changed\n")
    assert finish(start(tmp_path / "cache", PYTHONPATH=str(tmp_path))) == (1.5, 0, 1)


def test_trap_29_no_directory_for_a_cache(monkeypatch):
    njit = numba.njit

    def refusing(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return njit(*arguments, **options)

    monkeypatch.setattr(numba, "njit", refusing)
    assert _compile.compiled(lambda x: x + 1)(1) == 2


def test_other_failures_are_not_hidden(monkeypatch):
    def failing(*arguments, **options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", failing)
    with pytest.raises(RuntimeError, match="something else"):
        _compile.compiled(lambda x: x + 1)


def test_read_only_and_writable_arrays_share_a_compiled_kernel():
    from lastlayer.functions import sigmoid
    from lastlayer.kernels.sigmoid import sigmoid_entries

    logits = np.zeros(4)
    sigmoid(logits)
    compiled = len(sigmoid_entries.signatures)
    logits.flags.writeable = False
    sigmoid(logits)
    assert len(sigmoid_entries.signatures) == compiled
