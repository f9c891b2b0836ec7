from html.parser import HTMLParser

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lastlayer as ll
from lastlayer.decision import Abstain
from lastlayer.estimators.notebook import summary_as_html, summary_of

HOSTILE = ["<script>alert(1)</script>", "\x1b[31m&", "🦊'\"</td></table>"]


class _Tags(HTMLParser):
    """The tags of a document, those that stand open, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] == ["style"] else data


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


ALL = [ll.SoftmaxClassifier(), ll.SoftmaxClassifierCV(), ll.SigmoidClassifier(), ll.SigmoidClassifierCV()]


@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
def test_before_a_fit_it_is_scikit_learns(model):
    shown, bundle = model._repr_html_(), model._repr_mimebundle_(include=None, exclude=None)
    for text in (shown, bundle["text/html"]):
        assert "lastlayer-head" not in text
        assert "sk-container" in text
    assert bundle["text/plain"] == repr(model)


def test_after_a_fit_a_summary_follows_what_scikit_learn_shows(iris):
    model = ll.SoftmaxClassifier(C=10).fit(*iris)
    summary = summary_as_html(model)
    for text in (model._repr_html_(), model._repr_mimebundle_(include=None, exclude=None)["text/html"]):
        assert text.endswith(summary)
        assert text.count('lastlayer-head"') == 1
        assert "sk-container" in text[: -len(summary)]
    assert summary_as_html(clone(model)) == ""
    assert "lastlayer-head" not in clone(model)._repr_html_()


def test_what_the_summary_says(iris):
    X, y = iris
    model = ll.SoftmaxClassifier(C=10).fit(X, y)
    pairs = dict(summary_of(model))
    optimum = model.optimum_
    assert pairs == {
        "classes": "3: setosa, versicolor, virginica",
        "features": "4",
        "C": "10",
        "objective": f"{optimum.objective:.6f}, {optimum.certificate()}",
        "answers": "the most probable class",
        "trained": f"on 150 rows, {optimum.iterations} iterations, {optimum.seconds:.2f} seconds (converged)",
    }
    model.calibrate(X, y).set_decision(Abstain(0.75))
    pairs = dict(summary_of(model))
    assert pairs["beta"].startswith(f"{model.beta_:.4f}; calibrated on 150 rows, log-loss ")
    assert pairs["answers"] == "the most probable class; don't know where the largest probability is below 0.75"
    assert list(pairs) == ["classes", "features", "C", "objective", "beta", "answers", "trained"]


def test_how_other_heads_were_trained(iris):
    X, y = iris
    online = ll.SoftmaxClassifier().partial_fit(X, y, classes=np.unique(y))
    assert dict(summary_of(online))["trained"] == f"on 150 rows, {online.optimum_.iterations} steps of partial_fit"
    adopted = ll.SoftmaxClassifier.from_sklearn(LogisticRegression(max_iter=5000).fit(X, y))
    assert dict(summary_of(adopted))["trained"] == "by another library"
    assert dict(summary_of(adopted))["objective"] == "unknown, no bound on its distance from the optimum"
    sampled = ll.SoftmaxClassifier(candidates=2, max_iter=2000).fit(X, y)
    held = sampled.training_
    assert (
        f"{held.monitor_rows} of them held out at a log-loss of {held.monitor_log_loss:.4f}, "
        in (dict(summary_of(sampled))["trained"])
    )
    chosen = ll.SoftmaxClassifierCV(Cs=[1.0, 100.0, 10_000.0]).fit(X, y)
    assert dict(summary_of(chosen))["C"] == f"{chosen.C_:g}, chosen among 3"


def test_many_labels(iris):
    X, y = iris
    Y = [[name, "flower"] if name != "setosa" else [name] for name in y]
    model = ll.SigmoidClassifier().fit(X[::-1], Y)
    assert dict(summary_of(model))["labels"] == "4: flower, setosa, versicolor, virginica"
    assert "beta" not in dict(summary_of(model))
    model.calibrate(X, Y)
    low, high = model.beta_.min(), model.beta_.max()
    assert dict(summary_of(model))["beta"].startswith(f"{low:.4f} to {high:.4f}, one a label; calibrated on 150 rows")
    assert "lastlayer-head" in model._repr_html_()


def test_a_loaded_head_has_the_summary_of_the_saved_one(iris, tmp_path):
    model = ll.SoftmaxClassifier().fit(*iris).calibrate(*iris)
    model.save(tmp_path / "model.safetensors")
    assert summary_of(ll.load(tmp_path / "model.safetensors")) == summary_of(model)


def test_names_are_text(iris):
    import pandas as pd

    X, y = iris
    names = np.array(HOSTILE)[np.unique(y, return_inverse=True)[1]]
    frame = pd.DataFrame(X, columns=[*HOSTILE, "x" * 5000])
    summary = _Tags(summary_as_html(ll.SoftmaxClassifier().fit(frame, names)))
    assert set(summary.tags) == {"div", "style", "table", "tbody", "tr", "th", "td"}
    assert not summary.open
    assert "<script>alert(1)</script>" in summary.text
    assert "\x1b" not in summary.text


def test_any_parameter_can_be_shown(iris):
    model = ll.SoftmaxClassifier().fit(*iris).set_params(C="<b>")
    assert "<td>&lt;b&gt;</td>" in summary_as_html(model)


def test_where_scikit_learn_shows_text_there_is_no_html(iris):
    model = ll.SoftmaxClassifier().fit(*iris)
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert model._repr_mimebundle_() == {"text/plain": repr(model)}
    assert hasattr(model, "_repr_html_")


def test_in_a_pipeline(iris):
    pipeline = make_pipeline(StandardScaler(), ll.SoftmaxClassifier())
    for text in (pipeline._repr_html_(), pipeline.fit(*iris)._repr_html_()):
        assert "SoftmaxClassifier" in text
        assert "lastlayer-head" not in text
