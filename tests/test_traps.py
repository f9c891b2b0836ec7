"""tests/TRAPS.md and the tests that it speaks of are held against each other."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
ROWS = re.findall(r"^\| (\d+) \|.*\| (yes|later) \|$", (TESTS / "TRAPS.md").read_text(), re.MULTILINE)


def test_every_row_that_is_promised_has_a_test_and_every_test_a_row():
    tested = {int(number) for path in TESTS.rglob("test_*.py") for number in _numbers(path.read_text())}
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert tested == {int(number) for number, state in ROWS if state == "yes"}


def _numbers(text):
    return re.findall(r"^def test_trap_(\d\d)_", text, re.MULTILINE)
