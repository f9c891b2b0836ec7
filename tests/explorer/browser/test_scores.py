"""Scores to probabilities, in a browser."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np

from lastlayer.explorer.presets import PRESETS
from tests.explorer.browser.conftest import fits_every_look, settled
from tests.explorer.test_presets import PRINTED


def numbers(page, step):
    """Texts of a column."""
    return page.locator(f"#steps tbody [data-step={step}]").all_inner_texts()


def state_of(page):
    """What the address holds."""
    return parse_qs(urlsplit(page.url).query)


def address(explorer, **state):
    return f"{explorer}/scores?{urlencode(state, doseq=True)}"


def test_every_preset_shows_its_printed_numbers(open_page, explorer):
    page = open_page(f"{explorer}/scores")
    for preset in PRESETS:
        page.get_by_role("link", name=preset.name, exact=True).click()
        settled(page)
        printed, decimals = PRINTED[preset.name]
        assert [round(float(text), decimals) for text in numbers(page, "softmax")] == printed
        widths = page.eval_on_selector_all("#steps .fill i", "all => all.map(bar => parseFloat(bar.style.width))")
        np.testing.assert_allclose(np.divide(widths, 100).round(decimals), printed, atol=10.0**-decimals)


def test_an_edit_by_keyboard_alone(open_page, explorer):
    page = open_page(f"{explorer}/scores")
    page.get_by_label("score of dog", exact=True).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    settled(page)
    assert numbers(page, "softmax")[1] == "0.6939"
    page.keyboard.press("Tab")
    handle = page.get_by_role("slider", name="slide the score of dog")
    assert handle.evaluate("element => element === document.activeElement")
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert state_of(page)["score"] == ["2", "2.9", "0.1", "-1"]
    assert handle.get_attribute("aria-valuetext") == f"2.9, softmax {numbers(page, 'softmax')[1]}"
    least = handle.get_attribute("aria-valuemin")
    page.keyboard.press("Home")
    settled(page)
    assert state_of(page)["score"][1] == least
    # A class more, named and removed again; the focus stays where the hands are.
    page.get_by_role("button", name="Add a class").press("Enter")
    settled(page)
    page.keyboard.type("emu")
    page.keyboard.press("Tab")
    page.keyboard.type("-inf")
    page.keyboard.press("Tab")
    settled(page)
    assert (state_of(page)["class"][-1], numbers(page, "softmax")[-1]) == ("emu", "0.0000")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    settled(page)
    assert state_of(page)["class"] == ["cat", "dog", "cow", "zebra"]
    assert page.evaluate("document.activeElement.ariaLabel") == "remove zebra"
    page.locator("#beta-slider").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert (state_of(page)["beta"], page.locator("#beta").input_value()) == (["1.02"], "1.02")


def test_a_number_tells_how_it_comes_about(open_page, explorer):
    scores = {"class": ["a", "b", "c"], "score": ["0.95", "0.99", "0.98"], "beta": "500"}
    page = open_page(address(explorer, **scores))
    formula = page.locator("#formula")
    page.locator("#steps tbody [data-step=exponential]").nth(1).hover()
    assert formula.inner_text() == (
        "b: exp(beta · score) = exp(495.0000) = 10^214.976, above 10^38.53, the largest float32, "
        "which holds inf in its place; inf / inf is NaN"
    )
    assert page.locator("#steps tbody small").all_inner_texts() == ["inf in float32"] * 3
    page.locator("#steps [tabindex='0'][data-step]").focus()
    assert formula.inner_text() == "a: beta · score = 500 · 0.95 = 475.0000"
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert formula.inner_text() == "c: exp(beta · (score - max)) = exp(500 · (0.98 - 0.99)) = 0.0067"
    page.keyboard.press("ArrowRight")
    assert formula.inner_text() == "c: shifted exp / its sum = 0.0067 / 1.0067 = 0.0067"
    page.keyboard.press("ArrowDown")
    assert formula.inner_text() == "sum of softmax over 3 classes = 1.0000, as of every probability"
    # At 1,000 float64 is left too, and three precisions show what becomes of it.
    page.locator("#beta").fill("1000")
    page.get_by_label("three precisions", exact=True).check()
    settled(page)
    assert page.locator("#steps tbody small").all_inner_texts() == ["inf even in float64"] * 3
    first = page.locator("#precisions tbody tr").first.locator("td").all_inner_texts()
    assert first == ["NaN", "4.248161389062759e-18", "NaN", "4.2480667e-18", "NaN", "0.0"]
    assert "10^308.25 (the largest float64)" in page.locator("#overflow").inner_text()


def test_a_drag_is_one_step_back(open_page, explorer):
    from playwright.sync_api import expect

    page = open_page(f"{explorer}/scores")
    handle = page.get_by_role("slider", name="slide the score of cow")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8)
    page.mouse.down()
    settled(page)
    page.wait_for_timeout(450)  # long enough for the address to follow
    for share in (0.6, 0.7, 0.75):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 8)
    page.mouse.up()
    settled(page)
    dragged = state_of(page)["score"]
    assert dragged == ["2", "1", page.get_by_label("score of cow", exact=True).input_value(), "-1"]
    assert float(dragged[2]) > 1.5
    assert handle.bounding_box() == box
    shown = numbers(page, "softmax")
    page.reload()
    settled(page)
    assert (numbers(page, "softmax"), state_of(page)["score"]) == (shown, dragged)
    page.go_back()
    expect(page.get_by_label("score of cow", exact=True)).to_have_value("0.1")
    page.go_forward()
    expect(page.get_by_label("score of cow", exact=True)).to_have_value(dragged[2])
    settled(page)
    assert numbers(page, "softmax") == shown


def test_columns_from_a_spreadsheet(open_page, explorer):
    page = open_page(f"{explorer}/scores?class=a&score=1")

    def paste(label, text):
        page.get_by_label(label, exact=True).evaluate(
            """(input, text) => {
              const clipboardData = new DataTransfer();
              clipboardData.setData("text/plain", text);
              input.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
            }""",
            text,
        )
        settled(page)
        state = state_of(page)
        return state["class"], state["score"]

    assert paste("score of a", "1\r\n2\r\n-inf\r\n") == (["a", "class 1", "class 2"], ["1", "2", "-inf"])
    both = paste("name of class 1", "kind\tscore\nbee\t0.5\n<b>ox</b>\t\u22122\nyak\t7")
    assert both == (["a", "bee", "<b>ox</b>", "yak"], ["1", "0.5", "-2", "7"])
    assert paste("name of class 0", "3\tant\n4\tbee") == (["ant", "bee", "<b>ox</b>", "yak"], ["3", "4", "-2", "7"])
    # What cannot be read is refused in a sentence, and is there to be mended.
    paste("score of ant", "1,000\n4")
    assert "score[0]: received '1,000'" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("score of ant", exact=True).get_attribute("aria-invalid") == "true"
    page.reload()
    settled(page)
    page.get_by_label("score of ant", exact=True).fill("1000")
    settled(page)
    assert page.get_by_role("alert").count() == 0
    assert numbers(page, "softmax")[0] == "1.0000"


def test_the_largest_first_and_the_focus_goes_with_its_class(open_page, explorer):
    page = open_page(f"{explorer}/scores?class=a&class=b&class=c&score=1&score=3&score=2&order=largest&label=2")
    names = page.locator("#steps tbody tr td:first-child input")
    assert [name.input_value() for name in names.all()] == ["b", "c", "a"]
    score = page.get_by_label("score of a", exact=True)
    score.fill("9")
    settled(page)
    assert [name.input_value() for name in names.all()] == ["b", "c", "a"]
    score.press("Enter")
    settled(page)
    assert [name.input_value() for name in names.all()] == ["a", "b", "c"]
    assert page.evaluate("document.activeElement.ariaLabel") == "score of a"
    assert page.locator("#loss").inner_text() == "loss of c = -log 9.09e-04 = 7.0034".replace("9.09e-04", "0.0009")
    page.get_by_role("button", name="remove b").click()
    settled(page)
    assert (state_of(page)["label"], page.locator("#label").input_value()) == (["1"], "1")


def test_what_is_copied_gives_what_is_shown(open_page, explorer):
    page = open_page(
        address(explorer, **{"class": ["it's", "b,c"], "score": ["0.3", "-inf"], "beta": "20", "label": "0"})
    )
    copied = {}
    for kind in ("Python", "command", "link"):
        page.get_by_role("button", name=f"Copy as {kind}" if kind != "link" else "Copy link").click()
        page.get_by_text(f"{kind.capitalize()} copied").wait_for()
        copied[kind] = page.evaluate("navigator.clipboard.readText()")
    names = {}
    exec(copied["Python"], names)
    asked = json.dumps(
        {name: value if name in ("class", "score") else value[0] for name, value in state_of(page).items()}
    )
    answer = page.evaluate(
        """async (body) => (await fetch("/api/scores",
          {method: "POST", headers: {"Content-Type": "application/json"}, body})).json()""",
        asked,
    )
    np.testing.assert_allclose(names["probabilities"], answer["softmax"], rtol=1e-12)
    assert copied["command"].startswith("lastlayer explain 0.3 -inf --beta 20.0")
    page.goto(copied["link"])
    settled(page)
    assert numbers(page, "softmax") == ["1.0000", "0.0000"]


def test_more_classes_than_are_shown(open_page, explorer):
    scores = ["0"] * 1_500
    page = open_page(address(explorer, **{"class": scores, "score": [*scores[:-1], "9"], "label": "1499"}))
    assert page.locator("#steps tbody tr").count() == 1_000
    assert page.locator("#count").inner_text() == "The first 1,000 of 1,500 classes; sums are over all."
    assert page.locator("#sum [data-step=softmax]").inner_text() == "1.0000"
    page.get_by_label("largest first").check()
    settled(page)
    assert page.locator("#steps tbody tr").first.locator("input").nth(1).input_value() == "9"
    assert page.locator("#loss").inner_text() == "loss of 0 = -log 0.8439 = 0.1697"


def test_nothing_is_inaccessible_and_nothing_overflows(open_page, explorer):
    state = {
        "class": ["<b>bear</b> 🐻", "x" * 200, "שלום"],
        "score": ["500", "-inf", "2"],
        "label": "0",
        "precision": "1",
    }
    page = open_page(address(explorer, **state))
    fits_every_look(page)
