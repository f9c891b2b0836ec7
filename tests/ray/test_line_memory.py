"""A part that is asked what a LabelMemory says stands where the line stood, whenever that is."""

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("ray")

from lastlayer.linear import DenseFeatures
from lastlayer.ray.line_memory import LabelMemory
from lastlayer.solvers import LocalLabels
from lastlayer.solvers.parted_labels import PartOfLabels


def part():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 3)), rng.random((40, 5)) < 0.4
    return PartOfLabels(LocalLabels(DenseFeatures(X), sp.csc_array(Y), np.ones(40)))


def questions():
    rng = np.random.default_rng(1)

    def heads(size):
        return rng.standard_normal((size, 3)), rng.standard_normal(size)

    yield "start_line", (np.array([0, 1, 3, 4]), rng.random((4, 2)))
    yield "set_offsets", (rng.standard_normal(4),)
    yield "set_directions", heads(4)
    yield "evaluate", (np.array([1, 3]), rng.random(2))
    yield "step", (rng.random(4),)
    yield "keep", (np.array([True, False, True, True]),)
    yield "set_directions", heads(3)
    yield "evaluate", (np.array([0, 2]), rng.random(2))
    yield "step", (rng.random(3),)
    yield "start_line", (np.array([2]), rng.random((1, 2)))
    yield "set_heads", heads(1)
    yield "step", (np.zeros(1),)
    yield "set_directions", heads(1)
    yield "step", (rng.random(1),)


def test_a_new_part_answers_as_the_old_one():
    memory, old = LabelMemory(), part()
    for question, arguments in questions():
        new = part()
        for known, its in memory.questions():
            getattr(new, known)(*its)
        expected, found = getattr(old, question)(*arguments), getattr(new, question)(*arguments)
        if expected is not None:
            for left, right in zip(expected, found, strict=True):
                np.testing.assert_allclose(right, left, rtol=1e-12, atol=1e-14, err_msg=question)
        memory.follow(question, arguments)
