"""The browser that the other tests of this folder drive."""

import os

import pytest

from tests.explorer.browser.conftest import CHROMIUM, INSTALL


def test_a_browser_is_installed():
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip(INSTALL)
    assert CHROMIUM is not None, INSTALL
