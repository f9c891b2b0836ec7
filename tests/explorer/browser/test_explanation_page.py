"""The page that `lastlayer explain --html` writes."""

import pytest

import lastlayer as ll
from lastlayer.explanation.explanation_page import explanation_page
from tests.explorer.browser.conftest import violations

SCORES = [0.5, float("-inf"), *(float(index % 7) for index in range(12)), 9.5]


@pytest.fixture
def open_file(browser, tmp_path):
    """open_file(width, dark) -> the page of SCORES; in the end no request was made for more and no error was logged."""
    path, contexts, faults = tmp_path / "steps.html", [], []
    path.write_text(explanation_page(ll.explain(SCORES, beta=50, label=0)), encoding="utf-8")

    def open_file(width, dark):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", bypass_csp=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: request.url == path.as_uri() or faults.append(request.url))
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert faults == []


def _column(page, index):
    return page.eval_on_selector_all(
        "#steps-table tbody tr", f"rows => rows.map(row => row.cells[{index}].textContent)"
    )


def test_a_head_sorts_and_a_search_finds(open_file):
    page = open_file(1440, False)
    losses, names = _column(page, 7), _column(page, 0)
    page.get_by_role("button", name="-log p").click()
    assert _column(page, 7) == sorted(losses, key=float, reverse=True)
    assert _column(page, 0)[0] == "1"
    page.get_by_role("button", name="-log p").click()
    assert _column(page, 7) == sorted(losses, key=float)
    page.get_by_role("button", name="exp").click()
    assert [float(text) for text in _column(page, 1)] == sorted(SCORES, reverse=True)
    page.get_by_role("button", name="class").click()
    assert _column(page, 0) == names
    page.get_by_label("Find a class").fill("14")
    assert page.locator("#steps-table tbody tr:visible").count() == 1


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_it_is_fit_for_all(open_file, width, dark):
    page = open_file(width, dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.locator(".scroll").first
    region.evaluate("region => { region.scrollLeft = 100; region.scrollTop = 100 }")
    left = page.eval_on_selector_all("#steps-table tr > :first-child", "cells => cells.map(cell => cell.offsetLeft)")
    assert len(set(left)) == 1
    assert violations(page) == []
