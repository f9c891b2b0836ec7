import numpy as np
import pytest

import lastlayer as ll
from lastlayer.report import write_report
from lastlayer.storage import UnwritableFile

P, LABELS = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1]


def test_an_evaluation_writes_its_own_report(tmp_path):
    ll.evaluate(P, LABELS).report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")
    ll.evaluate_labels(P, np.eye(2)[LABELS]).report(tmp_path / "report.html")
    assert "Labels" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_evaluation_of_an_older_file(tmp_path):
    document = ll.evaluate(P, LABELS).to_json()
    for path, evaluation in (("a", ll.Evaluation.from_json(document)), ("b", ll.evaluate(P, LABELS))):
        evaluation.report(tmp_path / path)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(UnwritableFile, match=r"nowhere.report\.html: cannot be written"):
        write_report(tmp_path / "nowhere" / "report.html", "page")
    with pytest.raises(UnwritableFile, match="is a folder"):
        write_report(tmp_path, "page")


def test_an_interrupt_leaves_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
