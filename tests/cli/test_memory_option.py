import click
import pytest

from lastlayer.cli import memory_option as module


@pytest.fixture
def bytes_of(monkeypatch):
    monkeypatch.setattr(module, "available_memory", lambda: 8e9)

    @click.command()
    @module.memory_option
    @module.spool_option
    def command(memory, spool):
        pass

    def parse(*arguments):
        return command.make_context("c", list(arguments)).params["memory"]

    return parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GB", 2e9),
        ("500MB", 5e8),
        ("500 mb", 5e8),
        ("1.5GiB", 1.5 * 2**30),
        ("0.5TB", 5e11),
        ("64kib", 65536),
        ("1234567", 1234567),
        ("12b", 12),
        ("1e9", 1e9),
        ("25%", 2e9),
        ("100 %", 8e9),
    ],
)
def test_amounts(bytes_of, text, expected):
    assert bytes_of("--memory", text) == expected


def test_half_of_what_is_free_is_the_default(bytes_of):
    assert bytes_of() == 4e9


@pytest.mark.parametrize("text", ["", "much", "0", "-1GB", "0%", "101%", "5 apples", "nan", "inf", "1e999", "0.1"])
def test_what_is_no_amount(bytes_of, text):
    with pytest.raises(click.UsageError, match=r"--memory: received .*, expected a number of bytes"):
        bytes_of("--memory", text)
