"""Many classes, in a browser."""

import contextlib
import io

from tests.explorer.browser.conftest import fits_every_look, settled


def losses(page):
    return page.locator("#losses tbody tr").evaluate_all("rows => rows.map((row) => row.cells[1].innerText)")


def test_every_number_follows_the_keys_and_the_address(open_page, explorer):
    page = open_page(f"{explorer}/sampling")
    first = losses(page)
    assert first == ["8.0271", "8.1115", "6.0769", "7.2549"]
    page.get_by_role("combobox", name="sampler").focus()
    page.keyboard.press("ArrowDown")
    settled(page)
    assert "sampler=Uniform" in page.url
    second = losses(page)
    assert second[0] == first[0]
    assert second[2] != first[2]
    page.go_back()
    settled(page)
    assert losses(page) == first
    page.go_forward()
    settled(page)
    assert losses(page) == second
    page.get_by_role("slider", name="label").press("End")
    settled(page)
    assert page.get_by_role("spinbutton", name="label, as a number").input_value() == "9999"
    page.get_by_role("slider", name="K, classes").press("Home")
    settled(page)
    # The label is gone with its class; both are whatever K says.
    assert page.get_by_role("spinbutton", name="label, as a number").input_value() == "1"
    assert page.locator("#every").inner_text().startswith("S reaches K")
    assert len(set(losses(page))) == 1
    page.get_by_role("spinbutton", name="K, as a number").fill("300")
    page.get_by_role("spinbutton", name="label, as a number").fill("4")
    page.get_by_role("spinbutton", name="seed").fill("7")
    page.get_by_role("checkbox", name="leave out accidental hits").press("Space")
    settled(page)
    assert page.locator("#every").inner_text() == ""
    assert "1 + p = 1 + " in page.locator("#sum").inner_text()
    shown = losses(page)
    page.reload()
    settled(page)
    assert losses(page) == shown
    page.get_by_role("button", name="Copy as Python").press("Enter")
    page.wait_for_selector("#copy:not([hidden])")
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(page.evaluate("navigator.clipboard.readText()"), names)
    variables = ("full", "label_once", "label_too", "uncorrected")
    assert [f"{names[name]:.4f}" for name in variables] == shown
    page.get_by_role("spinbutton", name="label, as a number").fill("300")
    settled(page)
    problem = page.locator("#problem").inner_text()
    assert problem == "label: received 300, but there are 300 classes (0 to 299)."
    assert losses(page) == shown


def test_nothing_is_inaccessible(open_page, explorer):
    page = open_page(f"{explorer}/sampling?classes=500&label=3")
    fits_every_look(page)
