"""One label or many, in a browser."""

import numpy as np

from tests.explorer.browser.conftest import fits_every_look, settled


def cells(page, column):
    return page.locator("#labels tbody tr").evaluate_all(
        "(rows, at) => rows.map((row) => row.cells[at].innerText)", column
    )


def answers(page):
    return page.locator("#one").inner_text(), page.locator("#many").inner_text()


def test_threshold_by_keys_and_by_pointer(open_page, explorer):
    page = open_page(f"{explorer}/labels")
    assert cells(page, 2) == ["0.6381", "0.2347", "0.0954", "0.0318"]
    assert cells(page, 3) == ["0.8808", "0.7311", "0.5250", "0.2689"]
    assert answers(page) == ("cat", "cat, dog and cow")
    line = page.get_by_role("slider", name="threshold")
    line.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("PageUp")
    settled(page)
    assert line.get_attribute("aria-valuetext") == "0.63: softmax answers cat, sigmoid answers cat and dog"
    page.keyboard.press("End")
    settled(page)
    assert answers(page) == ("don't know", "none")
    assert page.evaluate("document.activeElement.id") == "line"
    # The line is taken anywhere on the bars.
    box = page.locator("#labels tbody .pair").nth(1).bounding_box()
    top = page.locator("#labels").bounding_box()["y"]
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10, steps=4)
    page.mouse.up()
    settled(page)
    assert page.get_by_role("spinbutton", name="threshold").input_value() == "0.5"
    assert answers(page) == ("cat", "cat, dog and cow")
    assert page.locator("#labels").bounding_box()["y"] == top
    across, bars = (page.locator(part).first.bounding_box() for part in ("#across", "#labels .pair i"))
    assert abs(across["x"] + across["width"] / 2 - bars["x"] - bars["width"] / 2) <= 1
    assert abs(across["height"] - page.locator("#labels tbody").bounding_box()["height"]) <= 1
    page.go_back()
    settled(page)
    assert answers(page) == ("don't know", "none")


def test_edit_by_keyboard_copy_and_reload(open_page, explorer):
    page = open_page(f"{explorer}/labels?class=yes&class=no&score=1.2&score=0&threshold=0.5")
    assert "sigmoid(1.2000) = 0.7685" in page.locator("#pair").inner_text()
    assert cells(page, 2)[0] == "0.7685"
    page.get_by_label("name of class 0").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("<b>עז</b>")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    settled(page)
    assert page.get_by_label("score of class 0").input_value() == "2.3"
    assert "<b>עז</b>" in page.locator("#one").inner_text()
    assert "= 0.9089" in page.locator("#hint").inner_text()
    page.get_by_role("button", name="Add a class").press("Enter")
    settled(page)
    assert cells(page, 3) == ["0.9089", "0.5000", "0.5000"]
    page.reload()
    settled(page)
    assert cells(page, 3) == ["0.9089", "0.5000", "0.5000"]
    page.get_by_role("button", name="Copy as Python").press("Enter")
    page.wait_for_selector("#copy:not([hidden])")
    names = {}
    exec(page.evaluate("navigator.clipboard.readText()"), names)
    assert [f"{p:.4f}" for p in names["softmax"]] == cells(page, 2)
    assert [f"{p:.4f}" for p in names["sigmoid"]] == cells(page, 3)
    assert np.flatnonzero(names["many"]).tolist() == [0]
    page.get_by_label("remove class 2").press("Enter")
    settled(page)
    assert len(cells(page, 0)) == 2
    page.get_by_role("spinbutton", name="threshold").fill("2")
    settled(page)
    assert page.locator("#problem").inner_text() == "threshold: received '2', expected a number from 0 to 1."


def test_presets(open_page, explorer):
    page = open_page(f"{explorer}/labels?class=a&score=1")
    presets = {
        "cat, dog, cow, zebra": ["0.8808", "0.7311", "0.5250", "0.2689"],
        "two classes": ["0.7685", "0.5000"],
        "none of them": ["0.1192", "0.0759", "0.0474", "0.0998"],
        "five sigmoids": ["0.4011", "0.5117", "0.3996", "0.6514", "0.7484"],
    }
    for preset, expected in presets.items():
        page.get_by_role("link", name=preset).click()
        page.get_by_role("cell", name=expected[0]).first.wait_for()
        assert cells(page, 3) == expected


def test_nothing_is_inaccessible(open_page, explorer):
    page = open_page(f"{explorer}/labels?quiz=1")
    page.wait_for_selector("#question[data-settled]")
    fits_every_look(page)
