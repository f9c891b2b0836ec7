"""The quiz beside a view, in a browser and by keyboard alone."""

from tests.explorer.browser.conftest import settled


def posed(page, number):
    """The question of that number, when it stands on the page and in its address, which follows the painted numbers."""
    settled(page)
    page.wait_for_selector(f"#question[data-settled='{number}']", state="attached")
    return page.locator("#asked").inner_text()


def test_predict_then_see(open_page, explorer):
    page = open_page(f"{explorer}/scores")
    assert page.locator("#question").is_hidden()
    page.get_by_label("Quiz: predict, then see").press("Space")
    asked = posed(page, 1)
    assert asked.startswith("If beta doubles, from 1 to 2, what does softmax of")
    assert "quiz=1" in page.url
    assert page.locator("#verdict").inner_text() == ""
    page.get_by_role("button", name="Answer").press("Enter")
    assert page.locator("#verdict").inner_text() == "Choose an answer first."
    page.get_by_label("It rises.").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("It falls.").is_checked()
    page.keyboard.press("Enter")
    assert page.locator("#verdict").inner_text().startswith("Yes. 0.0954 before, 0.0193 after.")
    assert page.locator("#options .right").inner_text() == "It falls."
    # What is answered stays while the numbers are tried.
    page.get_by_label("beta, as a number").fill("2")
    settled(page)
    assert page.locator("#verdict").inner_text().startswith("Yes.")
    page.get_by_role("button", name="Next question").press("Enter")
    assert posed(page, 2) != asked
    page.get_by_label("It rises.").press("Space")
    page.keyboard.press("Enter")
    assert page.locator("#verdict").inner_text().startswith("No.")
    page.reload()
    assert posed(page, 2).startswith("If 1 is added to every score")
    assert page.locator("#verdict").inner_text() == ""
    page.get_by_label("Quiz: predict, then see").press("Space")
    settled(page)
    assert page.locator("#question").is_hidden()
    assert "quiz" not in page.url


def test_question_follows_the_page_and_its_presets(open_page, explorer):
    page = open_page(f"{explorer}/labels?quiz=3")
    assert posed(page, 3).startswith("What does softmax answer with")
    assert page.locator("#options label").first.inner_text() == "With cat."
    page.get_by_label("score of class 1").fill("5")
    settled(page)
    page.locator("#options label:first-child", has_text="With dog.").wait_for()
    page.get_by_role("link", name="two classes").click()
    page.wait_for_url("**quiz=3**")
    posed(page, 3)
    assert page.locator("#options label").first.inner_text() == "With yes."
