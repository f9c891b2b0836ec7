"""SciPy's own tests of softmax, log_softmax and logsumexp, run from the installed package through ours."""

import inspect
import itertools

import numpy as np
import pytest
import scipy.special.tests.test_logsumexp as theirs

import lastlayer as ll

# What ours do not have: weights, which these tests pass as `b`, signs, and complex numbers.
WEIGHTS = {
    "test_logsumexp_b",
    "test_logsumexp_b_shape",
    "test_logsumexp_b_zero",
    "test_logsumexp_shape",
    "test_dtypes_ab",
    "test_no_writeback",
    "test_device",
}
SIGNS = {
    "test_logsumexp_sign",
    "test_logsumexp_sign_shape",
    "test_logsumexp_sign_zero",
    "test_gh22903",
    "test_gh23548",
}
COMPLEX = {"test_logsumexp_complex_sign", "test_gh21610", "test_gh21709_small_imaginary"}


def arguments_of(test):
    """Every combination of a test's parameters, as dicts, without complex numbers."""
    sets = []
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args
            names = [name.strip() for name in names.split(",")]
            sets.append([dict(zip(names, value if len(names) > 1 else [value], strict=True)) for value in values])
    for chosen in itertools.product(*sets):
        arguments = {name: value for part in chosen for name, value in part.items()}
        if not any(isinstance(value, complex) or "complex" in str(value) for value in arguments.values()):
            yield arguments


CASES = [
    pytest.param(suite, name, arguments, id="-".join([name, *map(str, arguments.values())]))
    for suite in (theirs.TestLogSumExp, theirs.TestSoftmax, theirs.TestLogSoftmax)
    for name, test in vars(suite).items()
    if name.startswith("test_") and name not in WEIGHTS | SIGNS | COMPLEX
    for arguments in arguments_of(test)
]


def test_none_was_lost():
    assert len(CASES) >= 30
    suites = (theirs.TestLogSumExp, theirs.TestSoftmax, theirs.TestLogSoftmax)
    assert {name for suite in suites for name in vars(suite)} >= WEIGHTS | SIGNS | COMPLEX


@pytest.mark.parametrize(("suite", "name", "arguments"), CASES)
def test_agrees_with_scipy(suite, name, arguments, monkeypatch):
    # All axes are SciPy's default, the last one is ours.
    monkeypatch.setattr(theirs, "softmax", lambda x, axis=None: ll.softmax(x, axis=axis))
    monkeypatch.setattr(theirs, "log_softmax", lambda x, axis=None: ll.log_softmax(x, axis=axis))
    monkeypatch.setattr(theirs, "logsumexp", lambda a, axis=None, **options: ll.logsumexp(a, axis=axis, **options))
    test = getattr(suite(), name)
    if "xp" in inspect.signature(test).parameters:
        arguments = {**arguments, "xp": np}
    # Their definition of the answer overflows where ours must not.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        test(**arguments)
