"""An evaluation of many labels a row in parts, without Ray."""

import polars as pl
import pytest

pytest.importorskip("ray")

from sklearn.exceptions import NotFittedError

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.tables import InputError
from tests.ray.test_fit_label_files import NAMES, write_lists


@pytest.fixture
def judged(inline, tmp_path):
    """A model, a file of 200 rows, and these rows."""
    path = tmp_path / "rows.parquet"
    X, lists, weights = write_lists(path, 200, 0)
    inline("judged_shards")
    model = ll.SigmoidClassifier().fit(X, lists)
    return model.set_decision(ll.decision.Thresholds(0.4)), path, (X, lists, weights)


def test_figures_of_shards_are_those_of_all_rows_together(judged):
    model, path, (X, lists, weights) = judged
    answers = [[int(name in row) for name in NAMES] for row in lists]
    whole = ll.evaluate_labels(
        model.predict_proba(X), answers, classes=NAMES, sample_weight=weights, threshold=0.4, intervals=0.9
    )
    found = lr.evaluate_labels(model, path, labels="tags", weight="times", intervals=0.9)
    one, other = found.to_dict(), whole.to_dict()
    assert one.keys() == other.keys()
    assert found.rows == whole.rows < 200
    for name in ("exact_match", "micro_f1", "macro_f1", "log_loss", "brier", "ece", "macro_average_precision"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-10), name
    assert found.micro_f1_interval == pytest.approx(whole.micro_f1_interval, rel=1e-10)


def test_what_cannot_be_judged_is_one_sentence(judged, tmp_path):
    model, path, (X, lists, _) = judged
    pl.read_parquet(path).with_columns(tags=pl.lit(["emu"])).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(
        InputError, match=r"row 0 .*: column tags has 'emu', which the model never saw, expected labels"
    ):
        lr.evaluate_labels(model, tmp_path / "other.parquet", labels="tags")
    with pytest.raises(InputError, match="no row"):
        lr.evaluate_labels(model, path, labels="tags", where="times > 100")
    one_of_two = ll.SigmoidClassifier().fit(X, [len(row) > 1 for row in lists])
    with pytest.raises(InputError, match=r"model: is of one label a row, .* judge it with evaluate\."):
        lr.evaluate_labels(one_of_two, path, labels="tags")
    with pytest.raises(InputError, match=r"model: is of many labels a row, .* judge it with evaluate_labels\."):
        lr.evaluate(model, path, label="tags")
    with pytest.raises(TypeError, match="model: received 3, expected a classifier of lastlayer, or the path"):
        lr.evaluate_labels(3, path)
    with pytest.raises(NotFittedError):
        lr.evaluate_labels(ll.SigmoidClassifier(), path)


@pytest.mark.thorough
def test_workers_judge_as_one_process(cluster, tmp_path):
    X, lists, weights = write_lists(tmp_path / "rows.parquet", 200, 0)
    model = ll.SigmoidClassifier().fit(X, lists)
    answers = [[int(name in row) for name in NAMES] for row in lists]
    whole = ll.evaluate_labels(model.predict_proba(X), answers, classes=NAMES, sample_weight=weights, intervals=0.9)
    found = lr.evaluate_labels(
        model, tmp_path / "rows.parquet", labels="tags", weight="times", intervals=0.9, num_workers=2
    )
    assert found.rows == whole.rows
    assert found.log_loss == pytest.approx(whole.log_loss, rel=1e-10)
    assert found.micro_f1_interval == pytest.approx(whole.micro_f1_interval, rel=1e-10)
