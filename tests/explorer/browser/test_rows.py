"""The rows of a model's data, in a browser."""

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import expect
from sklearn.datasets import load_digits

import lastlayer as ll
from lastlayer.cli.examined_rows import examined_rows
from lastlayer.explorer import application
from tests.explorer.browser.conftest import Served, fits_every_look, settled

HOSTILE = "<img src=x onerror=alert(1)> \N{GRINNING FACE} شبكة " + "w" * 160


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    X, y = load_digits(return_X_y=True)
    names = [HOSTILE if k == 8 else f"digit {k}" for k in y]
    ll.SoftmaxClassifier(C=0.01).fit(X[:600], names[:600]).save(folder / "m")
    notes = [f"scan {row} {HOSTILE if row == 5 else ''}" for row in range(200)]
    frame = pl.DataFrame({"pixels": X[1000:1200], "note": notes, "label": names[1000:1200]})
    frame.write_parquet(folder / "d.parquet")
    return examined_rows(str(folder / "m"), [str(folder / "d.parquet")])


@pytest.fixture(scope="module")
def address(examined):
    served = Served(application(examined))
    yield f"{served.address}/model"
    served.stop()


def test_rows_are_turned_sorted_filtered_and_opened_by_keys(open_page, address, examined):
    page = open_page(address)
    first = page.locator("#row-table tbody tr").first
    loss = examined.figures.loss
    worst = np.argsort(-loss, kind="stable")
    expect(first.locator("button")).to_have_text(str(worst[0]))
    expect(page.locator("#found")).to_have_text("1 to 25 of 200 rows")
    page.get_by_role("region", name="The rows found").focus()
    page.keyboard.press("PageDown")
    expect(first.locator("button")).to_have_text(str(worst[25]))
    page.keyboard.press("PageUp")
    expect(first.locator("button")).to_have_text(str(worst[0]))
    page.locator("[data-sort=confidence] button").press("Enter")
    expect(first.locator("button")).to_have_text(str(examined.figures.confidence.argmin()))
    expect(page.locator("[data-sort=confidence]")).to_have_attribute("aria-sort", "ascending")
    page.locator("#find-text").fill("SCAN 17 ")
    expect(page.locator("#found")).to_have_text("1 to 1 of 1 found among 200 rows")
    first.locator("button").press("Enter")
    expect(page.locator("#row-title")).to_be_focused()
    expect(page.locator("#row-says")).to_contain_text(f"loss {loss[17]:.4f}")
    settled(page)
    assert "row=17" in page.url
    page.reload()
    settled(page)
    expect(page.locator("#row-title")).to_have_text("Row 17")
    page.get_by_role("button", name="Copy as Python").click()
    scope = {}
    expect(page.locator("#copy code")).to_contain_text("loss = ")
    exec(page.locator("#copy code").inner_text(), scope)
    assert scope["loss"] == pytest.approx(loss[17], rel=1e-12)
    page.locator("#row-features .plain").first.focus()
    expect(page.locator("#row-formula")).to_contain_text("pixels[")
    page.keyboard.press("Escape")
    expect(page.locator("#row")).to_be_hidden()
    expect(first.locator("button")).to_be_focused()
    settled(page)
    page.go_back()
    expect(page.locator("#row")).to_be_visible()
    expect(page.locator("#row-title")).to_have_text("Row 17")
    link = page.get_by_role("link", name="Open in Scores").get_attribute("href")
    assert link is not None
    assert link.startswith("/scores?class=%3Cimg+src%3Dx+onerror")


def test_a_refused_filter_says_so_and_keeps_the_rows(open_page, address):
    page = open_page(address)
    page.locator("#find-prediction").fill("digit 77")
    page.locator("#find-prediction").press("Tab")
    expect(page.locator("#problem")).to_contain_text("expected one of the 10 classes")
    expect(page.locator("#row-table tbody tr")).to_have_count(25)
    page.locator("#find-prediction").fill("")
    expect(page.locator("#problem")).to_be_hidden()


def test_the_way_back_fills_the_box_that_is_typed_in(open_page, address):
    page = open_page(address)
    text = page.locator("#find-text")
    for typed in ("scan 17", "scan 18"):
        text.fill(typed)
        text.press("Enter")
        settled(page)
    page.go_back()
    expect(text).to_have_value("scan 17")
    expect(text).to_be_focused()
    text.press_sequentially("2")
    expect(page.locator("#found")).to_have_text("1 to 1 of 1 found among 200 rows")
    expect(text).to_have_value("scan 172")


def test_a_page_that_begins_anywhere_has_a_way_to_the_first(open_page, address):
    page = open_page(f"{address}?offset=7")
    page.locator("#previous").click()
    expect(page.locator("#found")).to_have_text("1 to 25 of 200 rows")


def test_a_row_that_is_none_can_be_closed(open_page, address):
    page = open_page(f"{address}?row=999")
    expect(page.locator("#row-says")).to_contain_text("the rows are 0 to 199")
    expect(page.locator("#row-scores")).to_be_hidden()
    page.locator("#row-close").click()
    expect(page.locator("#row")).to_be_hidden()


def test_nothing_is_inaccessible(open_page, address):
    page = open_page(f"{address}?row=5")
    fits_every_look(page)
