"""An evaluation in parts, without Ray."""

import pytest

pytest.importorskip("ray")

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.tables import InputError
from tests.ray.conftest import drawn_rows, write_rows


def test_figures_of_shards_are_those_of_all_rows_together(inline, tmp_path):
    X, y = drawn_rows(120, 0)
    path, model = write_rows(tmp_path / "rows.parquet", X, y), ll.SoftmaxClassifier().fit(X, y)
    assert inline("judged_shards") == []
    found, whole = (
        lr.evaluate(model, path, label="kind"),
        ll.evaluate(model.predict_proba(X), y, classes=model.classes_),
    )
    assert found.rows == 120
    assert found.accuracy == whole.accuracy
    assert found.log_loss == pytest.approx(whole.log_loss, rel=1e-12)
    with pytest.raises(InputError, match="no row"):
        lr.evaluate(model, path, label="kind", where="f0 > 100")


def test_bad_arguments_are_told_before_ray_starts(tmp_path, monkeypatch):
    def connected(address):
        raise AssertionError("Ray was asked before the arguments")

    monkeypatch.setattr("lastlayer.ray.judged_shards.connected", connected)
    X, y = drawn_rows(60, 0)
    path, model = write_rows(tmp_path / "rows.parquet", X, y), ll.SoftmaxClassifier().fit(X, y)
    with pytest.raises(ValueError, match="intervals"):
        lr.evaluate(model, path, label="kind", intervals=2)
    with pytest.raises(ValueError, match="num_workers"):
        lr.evaluate(model, path, label="kind", num_workers=0)
