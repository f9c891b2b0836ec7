"""Another beta, another rule, and the classes, in a browser."""

import pytest
from playwright.sync_api import expect

from lastlayer.explorer import application
from tests.explorer.browser.conftest import Served, fits_every_look, settled
from tests.explorer.examined_digits import examined_digits
from tests.explorer.test_classes_view import one
from tests.explorer.test_effect_view import HERE, answer_to


@pytest.fixture(scope="module")
def explorer_of_digits():
    served = Served(application(examined_digits()))
    yield f"{served.address}/model"
    served.stop()


def figures(page):
    rows = page.locator("#effect-figures tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in rows]


def expected(state):
    return [[figure["before"], figure["after"]] for figure in answer_to(state, examined_digits())["figures"]]


def test_figures_follow_beta_and_rule_by_keyboard_alone(open_page, explorer_of_digits):
    page = open_page(explorer_of_digits)
    assert figures(page) == expected({})
    page.locator("#effect-beta").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    settled(page)
    page.locator("#effect-rule").select_option("abstain")
    page.locator("#effect-threshold").fill("0.9")
    page.keyboard.press("Enter")
    settled(page)
    assert figures(page) == expected(HERE)
    page.reload()
    settled(page)
    assert figures(page) == expected(HERE)
    page.locator("#effect-threshold-slider").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert figures(page) == expected(HERE | {"threshold": "0.895"})
    page.go_back()
    settled(page)
    expect(page.locator("#effect-threshold")).to_have_value("0.9")
    assert figures(page) == expected(HERE)
    page.locator("#effect-python").click()
    page.wait_for_selector("#effect-copy:not([hidden])")
    assert (
        page.locator("#effect-copy code").inner_text().strip() == answer_to(HERE, examined_digits())["python"].strip()
    )
    for refused in ("0", "2e"):  # what is no number yet is not an empty box, which means the model's own beta
        page.locator("#effect-beta").fill(refused)
        settled(page)
        problem = page.locator("#problem").inner_text()
        assert problem.startswith(f"beta: received '{refused}', expected a number from 0.001")
        assert figures(page) == expected(HERE)


def test_the_way_back_fills_the_boxes_too(open_page, explorer_of_digits):
    page = open_page(f"{explorer_of_digits}?beta=2&rule=abstain&threshold=0.9")
    beta = page.locator("#effect-beta")
    beta.fill("99999")
    beta.press("Tab")
    settled(page)
    assert page.locator("#problem").is_visible()
    page.go_back()
    expect(page.locator("#effect-beta")).to_have_value("2")
    settled(page)
    assert page.locator("#problem").is_hidden()
    # Where the focus stands in the box, and on the slider.
    beta.fill("3")
    beta.press("Enter")
    settled(page)
    page.go_back()
    expect(page.locator("#effect-beta")).to_have_value("2")
    settled(page)
    page.locator("#effect-threshold-slider").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    page.go_back()
    expect(page.locator("#effect-threshold-slider")).to_have_value("0.9")
    settled(page)
    assert figures(page) == expected(HERE)


def test_a_class_has_the_address_of_the_newest_state(open_page, explorer_of_digits):
    page = open_page(explorer_of_digits)
    page.locator("#effect-rule").select_option("argmax")
    settled(page)
    assert "rule=argmax" in page.locator("#class-list tbody a").first.get_attribute("href")


def test_a_refused_class_leaves_no_other_ones_card(open_page, explorer_of_digits):
    page = open_page(f"{explorer_of_digits}?class=none")
    assert page.locator("#problem").inner_text().startswith("name: received 'none'")
    page.get_by_role("link", name="digit 8", exact=True).click()
    settled(page)
    assert page.locator("#class-card").is_visible()
    page.go_back()
    page.wait_for_selector("#problem:not([hidden])")
    settled(page)
    assert page.locator("#class-card").is_hidden()


def test_a_class_opens_its_confusions_and_a_count_its_rows(open_page, explorer_of_digits):
    page = open_page(explorer_of_digits)
    page.get_by_role("link", name="digit 8", exact=True).click()
    settled(page)
    found = one("digit 8")["answered_instead"]
    assert page.locator("#instead a").all_inner_texts() == [str(entry["rows"]) for entry in found]
    page.locator("#instead a").first.click()
    settled(page)
    assert page.locator("#found").inner_text().endswith(f" of {found[0]['rows']} found among 600 rows")


def test_nothing_is_inaccessible(open_page, explorer_of_digits):
    page = open_page(f"{explorer_of_digits}?beta=2&rule=abstain&class=digit+8")
    fits_every_look(page)
