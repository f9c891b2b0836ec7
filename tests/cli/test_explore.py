"""`lastlayer explore`, short of its page."""

import importlib.util

import pytest


@pytest.fixture
def served(monkeypatch):
    """What the command asks to be served; it ends as by Ctrl-C."""
    asked = []

    def serve(*arguments, say, **options):
        asked.append(options)
        say("http://127.0.0.1:1/")
        raise KeyboardInterrupt

    monkeypatch.setattr("lastlayer.explorer.serve", serve)
    return asked


def test_ctrl_c_is_130_in_one_line(run, served):
    result = run("explore", "--no-browser", "--port", "9000", "--host", "0.0.0.0")
    assert (result.exit_code, result.stderr) == (130, "explorer: stopped\n")
    assert result.stdout == "explorer: http://127.0.0.1:1/ (Ctrl-C ends it)\n"
    assert served[0]["host"] == "0.0.0.0"
    assert served[0]["port"] == 9000
    assert served[0]["browser"] is False


def test_without_the_extra_it_names_the_command(refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else find(name, *rest)
    )
    assert refused("explore") == (
        "error: explore: uvicorn not installed, expected the extra: pip install 'lastlayer[explore]'."
    )


def test_an_address_of_another_machine_is_refused(refused):
    assert refused("explore", "--host", "192.0.2.1", "--no-browser").startswith("error: --host: received '192.0.2.1'")


def test_the_help_fits_a_terminal(run):
    assert max(map(len, run("explore", "--help").stdout.splitlines())) <= 80
