import json

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.explanation import power_of_ten, short
from tests.cli.conftest import refused as refused
from tests.cli.conftest import run as run
from tests.report.reading import Page

HOSTILE = ["<script>alert(1)</script>", "\x1b[31m&", "🦊'\""]


@pytest.mark.parametrize("scores", [["2.0", "1.0", "0.1"], ["-inf", "1e308", "-745.5"], ["-0.0"]])
def test_the_command_prints_what_an_explanation_says(run, scores):
    found = ll.explain(np.array(scores, float), beta=0.5, label=0)
    arguments = ("explain", *scores, "--beta", "0.5", "--label", "0")
    assert run(*arguments).stdout == f"{found}\n"
    assert json.loads(run(*arguments, "--json").stdout) == found.to_dict()
    json.dumps(found.to_dict(), allow_nan=False)


def test_numbers_as_text():
    assert [short(value) for value in (0, -0.0, 0.00012, 0.00001, 1e7, np.inf)] == [
        *("0.0000", "0.0000", "0.0001", "1.00e-05", "1.00e+07", "inf")
    ]
    assert [power_of_ten(value) for value in (2.0, 7, -5, -np.inf)] == ["100.0000", "10^7.000", "10^-5.000", "0.0000"]


def test_texts_of_ten_thousand_classes_are_those_of_each():
    scores = np.random.default_rng(0).normal(size=10_000) * 30
    found = ll.explain(scores)
    texts = found.texts()["steps"]
    assert texts["score"] == [short(value) for value in scores]
    assert texts["loss"] == [short(value) for value in found.loss]
    assert found.to_dict()["softmax"] == found.softmax.tolist()


def test_a_notebook_shows_the_table():
    text = ll.explain([2.0, 1.0, 0.1], classes=HOSTILE, label=0)._repr_html_()
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.row(HOSTILE[0])[1:] == ["2.0000", "2.0000", "7.3891", "1.0000", "0.6590", "1", "0.4170"]
    assert page.row("sum")[3:6] == ["11.2125", "1.5174", "1.0000"]
    many = Page(ll.explain(np.arange(1000.0), label=3)._repr_html_())
    assert [row[0] for row in many.rows][1:-2] == ["3", *map(str, range(801, 1000))]


def test_a_page_of_its_own(run, tmp_path):
    path = tmp_path / "steps.html"
    arguments = ("explain", "0.95", "0.99", "0.98", "--beta", "500", "--label", "1")
    result = run(*arguments, "--classes", ",".join(HOSTILE), "--html", path)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"page written to {path}\n"
    assert result.stdout == run(*arguments, "--classes", ",".join(HOSTILE)).stdout
    text = path.read_text()
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "\x1b" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert page.row(HOSTILE[0])[5] == "2.05e-09"
    words = " ".join(page.text)
    assert "exp(495.0000) = 10^214.976 is inf in float32" in words
    assert "exp(500 * (0.9900 - 0.9900)) = 1.0000" in words


def test_a_page_that_cannot_be_written(refused, tmp_path):
    assert "cannot be written" in refused("explain", "1", "2", "--html", tmp_path)
    assert list(tmp_path.iterdir()) == []
