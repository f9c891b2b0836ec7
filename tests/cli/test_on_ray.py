"""--ray: what it does not go with is a sentence, before Ray is started."""

import socket

import numpy as np
import pytest

pytest.importorskip("ray")

import lastlayer as ll


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--ray", "--candidates", "2"), "--candidates: does not go with --ray"),
        (("--ray", "--holdout", "0.2"), "--holdout: does not go with --ray"),
        (("--ray", "--C", "auto"), "--C auto: does not go with --ray"),
        (("--workers", "2"), "--workers: stands without --ray"),
        (("--checkpoint", "c"), "--checkpoint: stands without --candidates or --ray"),
        (("--ray", "somewhere"), "address somewhere: is none of a cluster's head, expected HOST:PORT"),
    ],
)
def test_fit_refuses(refused, table, tmp_path, options, sentence):
    output = tmp_path / "new.safetensors"
    assert sentence in refused("fit", table, "--label", "kind", *options, "-q", "--features", "width", "-o", output)
    assert not output.exists()


def test_a_file_that_was_taken_for_the_address_is_told(refused, table, tmp_path):
    sentence = refused("fit", "--label", "kind", "-o", tmp_path / "m", "--ray", table)
    assert f"--ray {table}: is a file, expected the address of a Ray cluster; put files before --ray" in sentence


def test_predict_refuses(refused, model, table):
    assert "-o: is standard output, expected a file or a folder with --ray" in refused("predict", model, table, "--ray")


def test_evaluate_refuses(refused, model, table, tmp_path):
    report = tmp_path / "report.html"
    sentence = refused("evaluate", model, table, "--report", report, "--ray")
    assert "--report: does not go with --ray" in sentence
    assert not report.exists()


def test_an_address_that_nobody_answers(refused, model, table):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    sentence = refused("evaluate", model, table, "--ray", address)
    assert f"address {address}: no Ray cluster answers there (Connection refused)" in sentence


def test_a_model_of_many_labels_has_no_class_wise_figures(refused, tmp_path):
    X = np.random.default_rng(0).standard_normal((40, 2))
    ll.SigmoidClassifier().fit(X, [["a"] * int(row[0] > 0) + ["b"] * int(row[1] > 0) for row in X]).save(tmp_path / "m")
    sentence = refused("evaluate", tmp_path / "m", tmp_path / "rows.parquet", "--classwise", "--ray")
    assert "--classwise: " in sentence
    assert "is of many labels a row, which have none; leave it out" in sentence
