import json

import numpy as np

import lastlayer as ll


def test_json(run, model):
    result = run("info", model, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["classes"] == ["cat", "cow", "dog"]
    assert found["feature_columns"] == ["width", "height"]
    assert found["label_column"] == "kind"
    assert found["features"] == 2
    assert found["C"] == 1.0
    assert found["library_version"] == ll.__version__
    assert found["beta"] == ll.load(model).beta_
    assert found["rows"] == 300
    assert found["stopped"] == "converged"


def test_table(run, model):
    lines = run("info", model).stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        *(
            "model",
            "written by",
            "classes",
            "features",
            "label",
            "numbers",
            "C",
            "beta",
            "answers",
            "objective",
            "iterations",
        ),
        *("rows", "log-loss", "seconds"),
    ]
    assert "3: cat, cow, dog" in lines[2]


def test_no_model(refused, table):
    assert "a parquet table, expected a model saved by lastlayer" in refused("info", table)


def test_a_head_saved_from_python(run, tmp_path):
    features = np.random.default_rng(0).standard_normal((60, 3))
    model = ll.SoftmaxClassifier().fit(features, features.argmax(axis=1))
    model.save(tmp_path / "m", header={"training": {"data": "invoices"}, "label_column": 7})
    result = run("info", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["rows"] == 60
    assert found["label_column"] is found["feature_columns"] is None
    assert found["iterations"] == model.n_iter_[0]
    assert run("info", tmp_path / "m").exit_code == 0
