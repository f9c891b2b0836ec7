import runpy
from pathlib import Path


def test_what_type_checkers_are_told_to_expect_runs():
    runpy.run_path(str(Path(__file__).with_name("expectations.py")))
