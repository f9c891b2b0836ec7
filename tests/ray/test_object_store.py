"""Files in an object store, read by workers."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")

import lastlayer as ll
from tests.ray.conftest import drawn_rows, write_rows
from tests.tables.object_store import ObjectStore


@pytest.mark.thorough
def test_workers_read_a_store(tmp_path):
    folder = tmp_path / "store" / "bucket" / "rows"
    folder.mkdir(parents=True)
    X, y = drawn_rows(400, 0)
    for k in range(2):
        write_rows(folder / f"part-{k}.parquet", X[200 * k :][:200], y[200 * k :][:200])
    store, model = ObjectStore(tmp_path / "store"), tmp_path / "m.safetensors"
    environment = os.environ | store.environment

    def run(*arguments):
        command = [sys.executable, "-m", "lastlayer", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    data, ray = "s3://bucket/rows/*.parquet", ("--ray", "--workers", "2")
    checkpoint = ("--checkpoint", str(tmp_path / "fit"))
    run("fit", data, "--label", "kind", "--tol", "1e-8", *ray, *checkpoint, "-q", "-o", str(model))
    expected = ll.SoftmaxClassifier(tol=1e-8).fit(X, y)
    np.testing.assert_allclose(ll.load(model).coef_, expected.coef_, rtol=1e-7)
    run("predict", str(model), data, *ray, "-o", str(tmp_path / "out.parquet"))
    assert pl.read_parquet(tmp_path / "out.parquet")["prediction"].to_list() == expected.predict(X).tolist()
    store.close()
