import json

import pytest

import lastlayer as ll
from lastlayer.calibration import EntropyBetas, VectorScaling

EXAMPLES = [
    ll.Calibration("temperature", "logits", 0.1 + 0.2, 3, 100),
    ll.Calibration("temperature", "log-probabilities", 1e-30, 2, 0, classes=("chat\u0301", "\x1b[31m")),
    ll.Calibration("entropy-temperature", "probabilities", 0.9, 2, 7, EntropyBetas(1 / 3, 2 / 3), classes=(1, 2)),
    ll.Calibration("vector", "logits", 1.0, 2, 7, None, VectorScaling((1 / 3, 0.1), (-1e-17, 5.0)), ("a", "b")),
]


@pytest.mark.parametrize("calibration", EXAMPLES, ids=lambda each: each.method)
def test_every_number_makes_the_round_trip(tmp_path, calibration):
    ll.save_calibration(calibration, tmp_path / "c.json")
    assert ll.load_calibration(tmp_path / "c.json") == calibration
    assert json.loads((tmp_path / "c.json").read_text())["schema"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "c.json: a calibration of schema 2 by 'vector', expected at most schema 1"),
        ({"method": "isotonic"}, "of schema 1 by 'isotonic'.*upgrade lastlayer"),
        ({"schema": "1"}, "c.json: JSON of another program, expected a calibration saved by lastlayer"),
        ({"beta": "high"}, r"c.json: damaged \(beta: received 'high'"),
        ({"beta": -1.0}, r"c.json: damaged \(beta: received -1.0"),
        ({"factors": [1.0]}, r"c.json: damaged \(factors: 1 of them, expected 2"),
        ({"factors": "ab"}, "factors is no list of numbers"),
        ({"shifts": None}, "vector: received NoneType"),
        ({"rows": True}, "rows is True"),
        ({"num_classes": 2.5}, "num_classes is 2.5"),
        ({"classes": [None, None]}, "classes are no list of names or numbers"),
        ({"scores_are": "scores"}, "scores_are: received 'scores'"),
    ],
)
def test_damaged_and_newer_files_are_refused_in_a_sentence(tmp_path, change, message):
    ll.save_calibration(EXAMPLES[-1], tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text()) | change
    (tmp_path / "c.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        ll.load_calibration(tmp_path / "c.json")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\x80\x04N.", b"PK\x03\x04", b"[" * 100_000, b'{"beta": 1}'])
def test_foreign_files_are_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "c.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"c\.json: .*expected a calibration saved by lastlayer; write it again"):
        ll.load_calibration(tmp_path / "c.json")


def test_no_file_and_no_place(tmp_path):
    with pytest.raises(ValueError, match=r"c\.json: no such file"):
        ll.load_calibration(tmp_path / "c.json")
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        ll.load_calibration(tmp_path)
    with pytest.raises(ll.UnwritableFile):
        ll.save_calibration(EXAMPLES[0], tmp_path / "none" / "c.json")


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "c.json").write_text('{"schema": 1, "method": "temperature"}')
    with pytest.raises(ValueError, match=r"damaged \('rows'\)"):
        ll.load_calibration(tmp_path / "c.json")
