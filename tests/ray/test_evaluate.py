"""What is left of an evaluation on Ray after a failure; without Ray."""

import pytest

pytest.importorskip("ray")

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.metrics import EvaluationAccumulator
from tests.ray.conftest import drawn_rows, write_rows


def test_what_is_mapped_is_closed_before_ray_is(inline, tmp_path, monkeypatch):
    X, y = drawn_rows(60, 0)
    path, model = write_rows(tmp_path / "rows.parquet", X, y), ll.SoftmaxClassifier().fit(X, y)
    seen = inline("evaluate")
    assert lr.evaluate(model, path, label="kind").rows == 60
    assert seen == [2, "mapped", "connected"]

    def interrupted(accumulator, part):
        raise KeyboardInterrupt

    monkeypatch.setattr(EvaluationAccumulator, "merge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lr.evaluate(model, path, label="kind")
    assert seen == [2, "mapped", "connected"] * 2
