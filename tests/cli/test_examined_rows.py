"""What `lastlayer explore` reads and refuses before it serves anything."""

import polars as pl
import pytest

import lastlayer.cli.examined_rows as loader
from lastlayer.cli.examined_rows import examined_rows


@pytest.fixture
def served(monkeypatch):
    """What the command hands to the server."""
    calls = []
    monkeypatch.setattr("lastlayer.explorer.serve", lambda examined=None, **options: calls.append((examined, options)))
    return calls


def test_the_command_opens_a_row_in_the_first_view(run, model, table, served):
    result = run("explore", model, table, "--where", "split = 'test'", "--row", 460, "--no-browser")
    assert result.exit_code == 0, result.output
    examined, options = served[0]
    assert len(examined.features) == 150
    assert examined.label_column == "kind"  # which the model remembers
    assert set(examined.columns.columns) == {"id", "kind", "split"}
    assert options["page"].startswith("scores?class=cat&class=cow&class=dog&score=")
    assert "150 rows of" in result.stderr


def test_without_a_row_it_opens_the_rows(run, model, table, served):
    assert run("explore", model, table, "--no-browser").exit_code == 0
    assert served[0][1]["page"] == "model"
    assert run("explore", "--no-browser").exit_code == 0
    assert served[1][0] is None


def test_what_cannot_be_explored_is_refused_in_a_sentence(refused, model, table, served):
    assert "--where: expected MODEL and DATA" in refused("explore", "--where", "a > 1")
    assert "expected the rows to look at" in refused("explore", model)
    assert "--row: expected MODEL and DATA" in refused("explore", "--row", 3)
    assert "kin" in refused("explore", model, table, "--label", "kin")
    assert "no such file" in refused("explore", model, "missing.parquet")
    assert served == []


def test_a_row_that_is_not_there_is_refused_before_anything_is_served(run, model, table, served):
    for arguments, sentence in (
        (("--row", 600), "error: --row 600: the rows are 0 to 599."),
        (
            ("--where", "split = 'test'", "--row", 3),
            "error: --row 3: that is none of the 150 rows where split = 'test', which are 450 to 599.",
        ),
    ):
        result = run("explore", model, table, *arguments)
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, sentence)
    assert served == []


def test_a_model_of_many_labels_is_refused(run, refused, tmp_path, served):
    frame = pl.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [0.0, 1.0, 0.0, 1.0], "tags": [["a"], ["b"], ["a", "b"], []]})
    frame.write_parquet(tmp_path / "d.parquet")
    fitted = run("fit", tmp_path / "d.parquet", "--labels", "tags", "-o", tmp_path / "m")
    assert fitted.exit_code == 0, fitted.output
    assert "many labels a row" in refused("explore", tmp_path / "m", tmp_path / "d.parquet")


def test_rows_that_do_not_fit_are_refused_as_they_come(model, table, monkeypatch):
    monkeypatch.setattr(loader, "available_memory", lambda: 10_000.0)
    with pytest.raises(loader.InputError, match=r"600 rows take .* at most half of the 10\.0 kB"):
        examined_rows(str(model), [str(table)])
    monkeypatch.setattr(loader, "available_memory", lambda: float("inf"))
    monkeypatch.setattr(loader, "MOST_ROWS", 500)
    with pytest.raises(loader.InputError, match="more than 500 rows"):
        examined_rows(str(model), [str(table)])


def test_files_follow_one_another_and_rows_keep_their_numbers(model, table, tmp_path):
    frame = pl.read_parquet(table)
    frame[:400].write_parquet(tmp_path / "a.parquet")
    frame[400:].write_csv(tmp_path / "b.csv")
    parts = [str(tmp_path / "a.parquet"), str(tmp_path / "b.csv")]
    examined = examined_rows(str(model), parts, where="id >= 395 and id < 410")
    assert examined.numbers is not None
    assert examined.numbers.tolist() == list(range(395, 410))
    assert examined.columns["id"].to_list() == list(range(395, 410))
