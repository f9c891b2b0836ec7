"""Loss, in a browser."""

from tests.explorer.browser.conftest import fits_every_look, settled


def cells(page, table, column):
    return page.locator(f"{table} tbody tr").evaluate_all(
        "(rows, at) => rows.map((row) => row.cells[at].innerText)", column
    )


def now(page):
    return page.locator("#points .now").inner_text().split()


def test_point_by_keys_and_by_pointer(open_page, explorer):
    page = open_page(f"{explorer}/loss?class=0&class=1&class=2&score=2&score=1&score=0.1")
    assert now(page) == ["0.6590", "0.4170", "-0.3410", "0.3410", "-0.2247"]
    assert cells(page, "#gradient", 5) == ["-0.3410", "0.2424", "0.0986"]
    assert cells(page, "#points", 1) == ["0.4170", "0.0010", "0.1054", "0.6931", "2.3026", "4.6052", "6.9078"]
    point = page.get_by_role("slider", name="probability of 0")
    point.focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert now(page)[0] == "0.6500"
    page.keyboard.press("Home")
    settled(page)
    assert now(page)[:2] == ["0.0002", "8.5172"]
    box = page.locator("#chart").bounding_box()
    at = lambda p: (box["x"] + box["width"] * (34 + 414 * p) / 460, box["y"] + box["height"] / 2)  # noqa: E731
    page.mouse.move(*at(0.2))
    page.mouse.down()
    page.mouse.move(*at(0.5), steps=4)
    page.mouse.up()
    settled(page)
    assert now(page) == ["0.5000", "0.6931", "-0.5000", "0.5000", "-0.2500"]
    assert cells(page, "#gradient", 5)[0] == "-0.5000"
    page.go_back()
    settled(page)
    assert now(page)[0] == "0.0002"


def test_drag_ends_where_it_is_let_go_however_late_the_answers_come(open_page, explorer):
    page = open_page(f"{explorer}/loss?class=0&class=1&class=2&score=2&score=1&score=0.1")
    page.evaluate("""() => {
        const { fetch } = window;
        window.held = [];
        window.fetch = async (...sent) => {
            const answer = await fetch(...sent);
            await new Promise((release) => {
                document.documentElement.dataset.held = window.held.push(release);
            });
            return answer;
        };
    }""")
    box = page.locator("#chart").bounding_box()
    at = lambda p: (box["x"] + box["width"] * (34 + 414 * p) / 460, box["y"] + box["height"] / 2)  # noqa: E731
    page.mouse.move(*at(0.2))
    page.mouse.down()
    page.mouse.move(*at(0.5))
    page.wait_for_selector("html[data-held='1']", state="attached")
    page.evaluate("window.held[0]()")  # of 0.2, while the pointer is at 0.5
    page.wait_for_selector("html[data-held='2']", state="attached")
    assert now(page)[0] == "0.2000"
    page.mouse.up()
    page.evaluate("window.held[1]()")
    settled(page)
    assert now(page)[0] == "0.5000"


def test_label_smoothing_and_copies(open_page, explorer):
    page = open_page(f"{explorer}/loss?class=cat&class=dog&class=cow&score=2&score=1&score=0.1")
    page.get_by_role("spinbutton", name="label smoothing").fill("0.1")
    settled(page)
    assert page.locator("#loss-value").inner_text() == "loss 0.5137"
    assert cells(page, "#gradient", 4) == ["0.9333", "0.0333", "0.0333"]
    page.get_by_label("cat is the right class").focus()
    page.keyboard.press("ArrowDown")
    settled(page)
    assert page.locator("#label-name").inner_text() == "dog"
    assert now(page)[1] == "1.4170"
    assert "dog: gradient = p - target = 0.2424 - 0.9333 = -0.6909" in page.locator("#hint").inner_text()
    shown = page.locator("#loss-value").inner_text(), cells(page, "#gradient", 5)
    page.reload()
    settled(page)
    assert (page.locator("#loss-value").inner_text(), cells(page, "#gradient", 5)) == shown
    page.get_by_role("button", name="Copy as Python").press("Enter")
    page.wait_for_selector("#copy:not([hidden])")
    names = {}
    exec(page.evaluate("navigator.clipboard.readText()"), names)
    assert (f"loss {names['losses'][0]:.4f}", [f"{slope:.4f}" for slope in names["gradient"][0]]) == shown
    # The right class stays the right one where another goes.
    page.get_by_label("remove class 0").press("Enter")
    settled(page)
    assert page.locator("#label-name").inner_text() == "dog"
    page.get_by_label("score of class 0").fill("-inf")
    settled(page)
    assert page.locator("#loss-value").inner_text() == "loss inf"


def test_presets(open_page, explorer):
    page = open_page(f"{explorer}/loss?class=a&score=1")
    losses = {"sure and right": "0.4493", "sure and wrong": "3.4493", "three logits": "0.4170", "smoothed": "0.4003"}
    for preset, loss in losses.items():
        page.get_by_role("link", name=preset).click()
        page.get_by_text(f"loss {loss}", exact=True).wait_for()


def test_nothing_is_inaccessible(open_page, explorer):
    page = open_page(f"{explorer}/loss?smoothing=0.1")
    fits_every_look(page)
