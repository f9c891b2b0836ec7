import json
import math

import numpy as np
import pytest

# "Softmax activation tutorial": three scores, their exponentials and probabilities.
TUTORIAL = ["2.0", "1.0", "0.1"]
# "Explaining softmax", an interactive page: the same scores at beta = 1 and at beta = 500.
PAGE = ["0.95", "0.99", "0.98"]


def explained(run, *arguments):
    result = run("explain", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def at_printed_digits(found, expected, decimals):
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.5001 * 10.0**-decimals)


def test_figures_of_the_softmax_activation_tutorial(run):
    steps = explained(run, *TUTORIAL)
    at_printed_digits(steps["exponential"], [7.389, 2.718, 1.105], 3)
    assert math.floor(10 ** steps["sum"]["exponential_log10"] * 1000) / 1000 == 11.212
    at_printed_digits(steps["softmax"], [0.659, 0.242, 0.099], 3)


def test_figures_of_explaining_softmax_at_beta_1(run):
    steps = explained(run, *PAGE)
    at_printed_digits(steps["exponential"], [2.59, 2.69, 2.66], 2)
    at_printed_digits(10 ** steps["sum"]["exponential_log10"], 7.94, 2)
    at_printed_digits(steps["softmax"], [0.3256, 0.3389, 0.3355], 4)
    assert steps["hardmax"] == [0, 1, 0]
    assert steps["max"]["score"] == 0.99


def test_figures_of_explaining_softmax_at_beta_500(run):
    steps = explained(run, *PAGE, "--beta", "500")
    at_printed_digits(steps["exponential_log10"], [206.29, 214.976, 212.804], 2)
    at_printed_digits(steps["softmax"], [0.0, 0.9933, 0.0067], 4)
    assert steps["hardmax"] == [0, 1, 0]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["-1.2928", "0.1079"], [0.1977, 0.8023]),
        (["-2.999", "-3.632"], [0.6532, 0.3468]),
        (["-1.8886", "-1.6835"], [0.4489, 0.5511]),
        (["0.9096", "-0.8566"], [0.854, 0.146]),
        (["-2.5876", "0.2757"], [0.054, 0.946]),
        (["-2.2403", "-1.9268"], [0.4223, 0.5777]),
    ],
)
def test_columns_of_softmax_or_sigmoid_in_pytorch(run, column, expected):
    at_printed_digits(explained(run, *column)["softmax"], expected, 4)


def test_table_of_three_scores(run):
    result = run("explain", *TUTORIAL)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:8] == [
        "class   score  beta*score      exp  shifted  softmax  hardmax  -log p",
        "-----  ------  ----------  -------  -------  -------  -------  ------",
        "0      2.0000      2.0000   7.3891   1.0000   0.6590        1  0.4170",
        "1      1.0000      1.0000   2.7183   0.3679   0.2424        0  1.4170",
        "2      0.1000      0.1000   1.1052   0.1496   0.0986        0  2.3170",
        "-----  ------  ----------  -------  -------  -------  -------  ------",
        "sum                        11.2125   1.5174   1.0000        1",
        "max    2.0000      2.0000   7.3891   1.0000   0.6590        1  2.3170",
    ]


def test_the_naive_exponential_is_shown_as_it_would_overflow(run):
    result = run("explain", *PAGE, "--beta", "500", "--label", "cow", "--classes", "cat,dog,cow")
    assert "10^214.976    1.0000    0.9933" in result.stdout
    assert "exp(495.0000) = 10^214.976 is inf in float32\n" in result.stdout
    assert "loss of cow = -log 0.0067 = 5.0067" in result.stdout
    assert "is inf in float32 and float64" in run("explain", "1000", "1").stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["--", "-1", "2"], ["-1", "2"]])
def test_negative_scores(run, arguments):
    result = run("explain", *arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[2].split() == [
        "0",
        "-1.0000",
        "-1.0000",
        "0.3679",
        "0.0498",
        "0.0474",
        "0",
        "3.0486",
    ]


def test_negative_scores_in_every_spelling(run):
    assert explained(run, "-1e0", "-.5", "-2.25", "-inf")["score"] == [-1, -0.5, -2.25, "-Infinity"]


def test_impossible_class(run):
    steps = explained(run, "-inf", "1", "1")
    assert steps["softmax"] == [0, 0.5, 0.5]
    assert steps["loss"][0] == "Infinity"


def test_beyond_the_largest_float(run):
    steps = explained(run, "1e308", "0", "--beta", "100")
    assert steps["softmax"] == [1, 0]
    assert steps["exponential"] == ["Infinity", 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["one"], "received 'one', expected a number"),
        (["nan"], "expected a finite number"),
        (["inf"], "expected a finite number"),
        (["-inf"], "every class is impossible"),
        (["1", "2", "--beta", "0"], "--beta: received 0, expected a finite number greater than 0"),
        (["1", "2", "--beta", "nan"], "--beta: received nan"),
        (["1", "2", "--classes", "a"], "received 1 names, expected 2"),
        (["1", "2", "--label", "2"], "expected one of 0, 1, or a number from 0 to 1"),
    ],
)
def test_refusals(refused, arguments, message):
    assert message in refused("explain", *arguments)
