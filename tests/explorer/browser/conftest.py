"""A real browser on a real server."""

import os
import shutil
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvicorn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
INSTALL = "no Chromium on the path; install one: apt-get install chromium"
# Without one, a single test says so; where CI runs, that is a failure.
collect_ignore_glob = [] if CHROMIUM or os.environ.get("CI") else ["test_[!b]*.py"]

# None of Chromium's own errands: they would leave the machine.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_REFUSED = "the server responded with a status of 422"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A real browser takes minutes: its tests are for whoever changes the page, and for CI."""
    for item in items:
        if "tests/explorer/browser/" in item.nodeid:
            item.add_marker(pytest.mark.thorough)


class Served:
    """An application on a port of its own."""

    def __init__(self, application):
        config = uvicorn.Config(
            application,
            port=0,
            log_level="error",
            http="h11",
            ws="none",
            lifespan="off",
            h11_max_incomplete_event_size=2 << 20,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def stop(self):
        self._server.should_exit = True
        self._thread.join()


# Playwright's event loop counts as running until it stops, and asyncio.run of another file's test is refused meanwhile.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def explorer():
    """The address of an explorer without a model."""
    from lastlayer.explorer import application

    served = Served(application())
    yield served.address
    served.stop()


@pytest.fixture
def open_page(browser):
    """open_page(address) -> a page, settled; in the end no request left it and no error was logged."""
    contexts, faults = [], []

    def open_page(address):
        context = browser.new_context(
            viewport={"width": 1440, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
        )
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(address).netloc
        page.on("request", lambda request: urlsplit(request.url).netloc == host or faults.append(request.url))
        # Chromium logs every answer of 422, by which a state is refused, as an error.
        page.on(
            "console",
            lambda message: message.type != "error" or _REFUSED in message.text or faults.append(message.text),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        settled(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def settled(page):
    """Wait until the newest answer stands on the page, and the newest state in its address."""
    page.wait_for_selector("html[data-settled=true]:not([data-kept=false])", state="attached")


def violations(page):
    """What axe-core finds wrong with the page, as text."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def fits_every_look(page):
    """Check that on a phone and on a desk, in light and in dark, nothing is inaccessible and nothing is cut off."""
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == [], (width, scheme)
