"""The rows of a model's data, and one of them, against numbers that are worked out from the definition."""

import dataclasses
import shlex
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits

import lastlayer as ll
from lastlayer.cli.examined_rows import examined_rows
from lastlayer.decision import Abstain
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.row_texts import UNDEFINED
from lastlayer.explorer.row_view import page_of_row
from lastlayer.explorer.rows_view import ROWS
from lastlayer.tables import InputError

HOSTILE = "<b>ten</b> \N{GRINNING FACE} شبكة"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model of 10 digits that may not know, and rows of which some are of no class."""
    folder = tmp_path_factory.mktemp("rows")
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    names = [f"digit {k}" for k in y]
    model = ll.SoftmaxClassifier(C=0.01).fit(X[:600], names[:600])
    model.calibrate(X[600:900], names[600:900]).set_decision(Abstain(0.6))
    model.save(folder / "model.safetensors")
    labels = [HOSTILE if row % 50 == 0 else name for row, name in enumerate(names[1000:1300])]
    notes = [f"Scan {row} of {'Zürich' if row % 3 else 'Basel'}" for row in range(300)]
    frame = pl.DataFrame({"pixels": X[1000:1300], "note": notes, "kind": labels, "page": np.arange(300)})
    frame.write_parquet(folder / "rows.parquet")
    return folder / "model.safetensors", folder / "rows.parquet", frame


@pytest.fixture(scope="module")
def examined(files):
    return examined_rows(str(files[0]), [str(files[1])], label="kind")


def asked(name, examined, **state):
    endpoint = next(endpoint for endpoint in ROWS if endpoint.name == name)
    return endpoint.answer(read_state(endpoint.fields, state), examined)


@pytest.fixture(scope="module")
def oracle(files):
    """Figures of every row, from the definition, in float64."""
    model, frame = ll.load(files[0]), files[2]
    scores = np.array(frame["pixels"].to_list()) @ model.coef_.T.astype(float) + model.intercept_
    powers = np.exp(model.beta_ * (scores - scores.max(axis=1, keepdims=True)))
    p = powers / powers.sum(axis=1, keepdims=True)
    ranked = np.sort(p, axis=1)
    classes = model.classes_.tolist()
    codes = np.array([classes.index(name) if name in classes else -1 for name in frame["kind"]])
    loss = np.where(codes < 0, np.nan, -np.log(p[np.arange(300), codes]))
    return {
        "loss": loss,
        "confidence": ranked[:, -1],
        "margin": ranked[:, -1] - ranked[:, -2],
        "entropy": -(p * np.log(p)).sum(axis=1),
        "answer": np.where(ranked[:, -1] < 0.6, -1, p.argmax(axis=1)),
        "codes": codes,
        "scores": scores,
    }


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("sort", ["loss", "confidence", "margin", "entropy"])
def test_rows_are_sorted_by_every_figure(examined, oracle, sort, order):
    answer = asked("rows", examined, sort=sort, order=order, count=200)
    values = oracle[sort] if order == "ascending" else -oracle[sort]
    np.testing.assert_allclose(oracle[sort][answer["row"]], np.sort(values)[:200] * (1 if order == "ascending" else -1))
    for name in ("loss", "confidence", "margin", "entropy"):
        np.testing.assert_allclose(answer[name], oracle[name][answer["row"]], rtol=1e-10, atol=1e-13)


def test_the_worst_come_first_and_pages_hold_every_row_once(examined, oracle):
    pages = [asked("rows", examined, offset=offset, count=77) for offset in range(0, 300, 77)]
    assert pages[0]["sort"] == "loss"
    assert pages[0]["row"][0] == np.nanargmax(oracle["loss"])
    assert sorted(row for page in pages for row in page["row"]) == list(range(300))
    assert pages[-1]["label"][-1] == HOSTILE  # without a loss: last
    assert pages[-1]["text"]["loss"][-1] == UNDEFINED
    assert asked("rows", examined, offset=300)["row"] == []


def test_filters_keep_what_they_say(examined, files, oracle):
    frame = files[2]
    for state, kept in (
        ({"outcome": "right"}, oracle["answer"] == oracle["codes"]),
        ({"outcome": "wrong"}, (oracle["answer"] != oracle["codes"]) & (oracle["answer"] >= 0)),
        ({"outcome": "unknown"}, oracle["answer"] < 0),
        ({"label": ["digit 3", "digit 5"]}, np.isin(oracle["codes"], [3, 5])),
        ({"label": [HOSTILE]}, oracle["codes"] < 0),
        ({"prediction": ["digit 8"]}, oracle["answer"] == 8),
        ({"text": "ZÜRICH"}, np.array(["Zürich" in note for note in frame["note"]])),
        ({"text": "<B>", "column": "kind"}, oracle["codes"] < 0),
        ({"text": "<b>", "column": "note"}, np.zeros(300, bool)),
        ({"text": "basel", "label": ["digit 1"]}, (np.arange(300) % 3 == 0) & (oracle["codes"] == 1)),
    ):
        answer = asked("rows", examined, sort="row", count=200, **state)
        assert answer["found"] == kept.sum(), state
        assert answer["row"] == np.flatnonzero(kept)[:200].tolist(), state


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ({"label": ["digit 11"]}, "label"),
        ({"prediction": [HOSTILE]}, "prediction"),
        ({"column": "page"}, "column"),
        ({"count": 201}, "count"),
        ({"offset": -1}, "offset"),
        ({"sort": "size"}, "sort"),
    ],
)
def test_what_cannot_be_asked_is_refused(examined, state, field):
    with pytest.raises(Refused) as refused:
        asked("rows", examined, **state)
    assert refused.value.field == field


def test_without_a_model_there_is_one_sentence():
    for name, state in (("rows", {}), ("row", {"row": 0}), ("model", {})):
        with pytest.raises(Refused, match="started without one"):
            asked(name, None, **state)


def test_contributions_and_intercepts_add_up_to_the_difference_of_scores(examined, oracle):
    for row in (7, 50):
        answer = asked("row", examined, row=row, scores="all")
        found, scores = answer["contributions"], oracle["scores"][row]
        assert [entry["class"] for entry in answer["classes"]] == [f"digit {k}" for k in np.argsort(-scores)]
        np.testing.assert_allclose([entry["score"] for entry in answer["classes"]], -np.sort(-scores), rtol=1e-12)
        total = sum(feature["difference"] for feature in found["features"]) + found["rest"] + found["intercept"]
        first, second = np.argsort(-scores)[:2]
        assert total == pytest.approx(scores[first] - scores[second], abs=1e-12)
        assert found["total"] == pytest.approx(scores[first] - scores[second], abs=1e-12)
        sizes = [abs(feature["difference"]) for feature in found["features"]]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) + found["rest_of"] == 64
    assert answer["loss"] is None or np.isnan(answer["loss"])  # row 50 is of no class


def test_a_row_may_be_compared_with_its_label(examined, oracle):
    wrong = int(np.flatnonzero((oracle["scores"].argmax(axis=1) != oracle["codes"]) & (oracle["codes"] >= 0))[0])
    found = asked("row", examined, row=wrong, against="label")["contributions"]
    assert found["second"] == f"digit {oracle['codes'][wrong]}"


def test_the_first_view_gets_the_real_scores(examined, oracle):
    address = urlsplit(asked("row", examined, row=9)["scores_page"])
    query = parse_qs(address.query)
    assert address.path == "/scores"
    assert query["class"] == [f"digit {k}" for k in range(10)]
    np.testing.assert_allclose([float(score) for score in query["score"]], oracle["scores"][9], rtol=1e-12)
    assert float(query["beta"][0]) == examined.model.beta_
    assert query["label"] == [str(oracle["codes"][9])]
    assert page_of_row(examined, 9) == f"scores?{address.query}"


def test_copied_python_gives_the_shown_rows(examined):
    for state in ({}, {"label": ["digit 3", HOSTILE], "sort": "entropy"}, {"outcome": "wrong", "text": "zÜr"}):
        answer = asked("rows", examined, count=30, **state)
        scope = {}
        exec(answer["python"], scope)
        assert scope["rows"].tolist() == answer["row"]
        for name in ("loss", "confidence", "margin", "entropy"):
            np.testing.assert_allclose(scope[name][scope["rows"]], answer[name], rtol=1e-12, atol=1e-13)


def test_what_is_copied_of_a_row_gives_its_numbers(examined):
    answer = asked("row", examined, row=9, scores="all")
    scope = {}
    exec(answer["python"], scope)
    assert scope["loss"] == pytest.approx(answer["loss"], rel=1e-12)
    ranked = [entry["probability"] for entry in answer["classes"]]
    np.testing.assert_allclose(-np.sort(-scope["probabilities"]), ranked, rtol=1e-12)


def test_names_that_no_command_line_holds_are_left_out(examined):
    many = dataclasses.replace(examined, classes=tuple(f"{k:0131072}" for k in range(len(examined.classes))))
    words = shlex.split(asked("row", many, row=9)["command"])
    assert max(map(len, words)) < 131_072
    assert words[-1] == f"--label={examined.labels[9]}"


def test_rows_of_a_condition_keep_their_numbers(files, oracle):
    chosen = examined_rows(str(files[0]), [str(files[1])], where="page >= 250", label="kind")
    answer = asked("rows", chosen, sort="loss", count=10)
    np.testing.assert_allclose(answer["loss"], oracle["loss"][answer["row"]], rtol=1e-10)
    assert min(answer["row"]) >= 250
    assert asked("row", chosen, row=299)["row"] == 299
    with pytest.raises(Refused, match="none of the 50 rows"):
        asked("row", chosen, row=3)
    with pytest.raises(InputError, match="--row 3: that is none of the 50 rows"):
        page_of_row(chosen, 3)
    scope = {}
    exec(answer["python"], scope)
    np.testing.assert_allclose(scope["loss"][scope["rows"]], answer["loss"], rtol=1e-12)


def test_rows_without_labels_are_sorted_by_confidence(files, tmp_path, oracle):
    files[2].drop("kind").write_parquet(tmp_path / "bare.parquet")
    bare = examined_rows(str(files[0]), [str(tmp_path / "bare.parquet")])
    answer = asked("rows", bare, count=5)
    assert bare.labels is None
    assert answer["sort"] == "confidence"
    assert answer["row"] == np.argsort(oracle["confidence"], kind="stable")[:5].tolist()
    assert "loss" not in answer
    for state in ({"sort": "loss"}, {"outcome": "right"}, {"label": ["digit 3"]}):
        with pytest.raises(Refused):
            asked("rows", bare, **state)
    exec(answer["python"], {})


def test_two_classes_have_scores_of_both(tmp_path):
    X = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, 0.0], [3.0, 1.0]])
    ll.SoftmaxClassifier().fit(X, ["no", "no", "yes", "yes"]).save(tmp_path / "m")
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "label": ["no", "yes", "no", "yes"]}).write_csv(tmp_path / "d.csv")
    examined = examined_rows(str(tmp_path / "m"), [str(tmp_path / "d.csv")])
    assert examined.features.dtype == np.float64
    answer = asked("row", examined, row=1)
    scope = {}
    exec(answer["python"], scope)
    assert scope["loss"] == pytest.approx(answer["loss"], rel=1e-12)
    found = answer["contributions"]
    difference = abs(examined.model.decision_function(X[1:2])[0])
    assert found["total"] == pytest.approx(difference, rel=1e-12)
    page = asked("rows", examined)
    exec(page["python"], scope)
    assert scope["rows"].tolist() == page["row"]


def test_nothing_is_written_and_files_may_be_read_only(files, tmp_path):
    model, data = tmp_path / "m", tmp_path / "d.parquet"
    model.write_bytes(files[0].read_bytes())
    data.write_bytes(files[1].read_bytes())
    before = [path.read_bytes() for path in (model, data)]
    for path in (model, data):
        path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        examined = examined_rows(str(model), [str(data)], label="kind")
        asked("rows", examined, text="scan")
        asked("row", examined, row=1)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["d.parquet", "m"]
        assert [path.read_bytes() for path in (model, data)] == before
    finally:
        tmp_path.chmod(0o700)
