"""After a rehearsal no question of a fit waits for a kernel."""

import subprocess
import sys

import pytest

pytest.importorskip("ray")

_FIT = """
import importlib, sys
import numpy as np
from lastlayer.kernels import sigmoid_regression, softmax_regression
from lastlayer.ray.rehearsal import rehearse

many, dtype = sys.argv[1] == "many", sys.argv[2]
tests = importlib.import_module("tests.solvers.test_parted_labels" if many else "tests.solvers.test_parted_rows")

def ready():
    kernels = [vars(module)[name] for module in (softmax_regression, sigmoid_regression) for name in dir(module)]
    return sum(len(kernel.signatures) for kernel in kernels if hasattr(kernel, "signatures"))

class Watched(tests.InThisProcess):
    asked = set()

    def ask(self, question, *arguments):
        before, answers = ready(), super().ask(question, *arguments)
        assert ready() == before, question
        self.asked.add(question)
        return answers

rehearse(dtype, many=many)
assert ready() > 0
tests.InThisProcess = Watched
_, parted = tests.whole_and_parts([150], dtype=np.dtype(dtype).type)
tests.fit(parted, tol=1e-5)
assert {"evaluate", "step"} <= Watched.asked
"""


@pytest.mark.parametrize(
    ("dtype", "many"),
    [
        ("float32", "one"),
        ("float64", "many"),
        pytest.param("float64", "one", marks=pytest.mark.thorough),
        pytest.param("float32", "many", marks=pytest.mark.thorough),
    ],
)
def test_a_fit_needs_no_other_kernels(many, dtype):
    done = subprocess.run([sys.executable, "-c", _FIT, many, dtype], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
