"""`lastlayer explore` in a headless Chromium: from an event to painted numbers, the weight of a page, its first paint.

An event's time is the browser's own stamp of it; painted is the first task after the frame in which the newest answer
stands on the page. So a measured time holds the handler, the question over loopback, the library's answer, the
writing, layout and paint, and the wait for the next frame of the screen (up to 16.7 ms at 60 Hz).
"""

import gzip
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

import lastlayer as ll
from benchmarks.floors import measured_floors

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_ROWS, _FEATURES, _CLASSES = 100_000, 384, 150
# Most steps lead to a state that has not been asked for just before.
_SLIDES = ("ArrowRight", "ArrowLeft", "ArrowLeft")
_WATCH = """() => {
  window.painted = [];
  let began = null;
  for (const kind of ["keydown", "input", "pointermove"]) {
    addEventListener(kind, (event) => { began ??= event.timeStamp; }, true);
  }
  const task = new MessageChannel();
  task.port1.onmessage = () => { window.painted.push(performance.now() - began); began = null; };
  new MutationObserver(() => {
    if (document.documentElement.dataset.settled !== "true" || began === null) return;
    requestAnimationFrame(() => task.port2.postMessage(null));
  }).observe(document.documentElement, { attributeFilter: ["data-settled"] });
}"""


def measure(*, quick):
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("explorer: no Chromium on the path, expected one: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    steps = 30 if quick else 100
    floors, results = measured_floors(), []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=_FLAGS)
        model, data = _write_model_and_rows(Path(folder), 10_000 if quick else _ROWS)
        with _Explorer(model, data) as explorer:
            results.append(
                {"what": "start on a model", "rows": 10_000 if quick else _ROWS, "seconds": explorer.seconds}
            )
            print(f"until the page of {results[0]['rows']:,} x {_CLASSES} is served: {explorer.seconds:.1f} s")
            for count in (2, 20, 101, 1000):
                results += _scores(browser, explorer.address, count, steps)
            for view in ("labels", "loss", "sampling"):
                results.append(_sliders(browser, explorer.address, view, steps))
            results += _model(browser, explorer.address, steps)
            for view in ("scores", "labels", "loss", "sampling", "model"):
                results.append(_first_paint(browser, explorer.address, view))
        browser.close()
    return {"floors": floors, "results": results}


class _Explorer:
    """The command in a process of its own."""

    def __init__(self, *files):
        start = time.perf_counter()
        command = [sys.executable, "-m", "lastlayer", "explore", *map(str, files), "--no-browser", "--port", "8970"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http://[\d.]+:\d+", self._process.stdout.readline()).group()
        urllib.request.urlopen(f"{self.address}/scores").read()
        self.seconds = time.perf_counter() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()


def _scores(browser, address, count, steps):
    """View 1: keys in a score, steps of beta, steps of a drag."""
    rng = np.random.default_rng(count)
    pairs = [("class", f"class {k}") for k in range(count)]
    pairs += [("score", f"{score:.3f}") for score in 3 * rng.standard_normal(count)]
    page = _opened(browser, f"{address}/scores?{urllib.parse.urlencode([*pairs, ('beta', '1')])}")
    score = page.locator("[data-field='score[1]']")

    def keys():
        _press(page, score, ("1", "Backspace"), steps)

    def slides():
        _press(page, page.locator("input[type=range]").first, _SLIDES, steps)

    def drags():
        bar = page.locator("#steps [role=slider]").nth(1)
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 2, middle)
        page.mouse.down()
        for step in range(steps):
            page.mouse.move(box["x"] + box["width"] * (0.5 + 0.4 * math.sin(step / 9)), middle)
            _settle(page, step)
        page.mouse.up()

    return [
        _timed(page, f"scores, {what}", count, act) for what, act in (("key", keys), ("beta", slides), ("drag", drags))
    ]


def _sliders(browser, address, view, steps):
    """The first slider of a view, by keys."""
    page = _opened(browser, f"{address}/{view}")

    slider = page.locator("main [role=slider], main input[type=range]").first

    def slides():
        _press(page, slider, _SLIDES, steps)

    return _timed(page, f"{view}, slider", None, slides)


def _model(browser, address, steps):
    """View 5: pages of rows, and beta over all of them."""
    page = _opened(browser, f"{address}/model")

    def pages():
        _press(page, page.get_by_role("button", name=re.compile("^Next")), ("Enter",), min(steps, 40))

    def betas():
        _press(page, page.locator("#effect input[type=range]").first, _SLIDES, min(steps, 60))

    return [_timed(page, f"model, {what}", _CLASSES, act) for what, act in (("next rows", pages), ("beta", betas))]


def _press(page, target, keys, steps):
    """Press `keys` in turn, each when what the one before brought is painted."""
    target.focus()
    for step in range(steps):
        target.press(keys[step % len(keys)])
        _settle(page, step)


def _opened(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector("html[data-settled=true]", state="attached")
    page.wait_for_timeout(300)
    page.evaluate(_WATCH)
    return page


def _settle(page, step):
    """Until what an event brought is painted, and some part of a frame longer."""
    page.wait_for_selector("html[data-settled=true]", state="attached")
    page.wait_for_timeout(20 + 7 * (step % 5))


def _timed(page, what, classes, act):
    page.evaluate("() => { window.painted.length = 0; }")
    act()
    times = np.array(page.evaluate("() => window.painted"))
    figures = {
        "what": what,
        "classes": classes,
        "steps": len(times),
        "median_ms": float(np.median(times)),
        "ms_95_percent": float(np.quantile(times, 0.95)),
        "worst_ms": float(times.max()),
    }
    of = "" if classes is None else f" of {classes:,} classes"
    print(
        f"{what + of:34} {figures['median_ms']:7.1f} ms in the median, {figures['ms_95_percent']:7.1f} at 95 %, "
        f"{figures['worst_ms']:7.1f} at worst, {len(times)} steps",
        flush=True,
    )
    return figures


def _first_paint(browser, address, view):
    """Milliseconds from the start of the navigation, each time without a cache; and bytes of what is loaded."""
    paints, files = [], {}
    for _ in range(5):
        context = browser.new_context()
        page = context.new_page()
        page.on(
            "response",
            lambda answer: files.__setitem__(answer.url, answer.body()) if "/api/" not in answer.url else None,
        )
        page.goto(f"{address}/{view}")
        page.wait_for_selector("html[data-settled=true]", state="attached")
        page.wait_for_timeout(100)
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        context.close()
    size = sum(len(gzip.compress(content)) for content in files.values())
    print(
        f"{view:10} first paint {np.median(paints):5.0f} ms; {len(files)} files, {size / 1e3:.1f} kB gzipped",
        flush=True,
    )
    return {"what": f"{view}, first paint", "median_ms": float(np.median(paints)), "gzipped_bytes": size}


def _write_model_and_rows(folder, rows):
    """A head of 150 classes, and labelled rows with a text."""
    import polars as pl

    rng = np.random.default_rng(0)
    centres = 0.12 * rng.standard_normal((_CLASSES, _FEATURES))
    names = np.array([f"class {k}" for k in range(_CLASSES)])

    def drawn(count):
        labels = rng.integers(0, _CLASSES, count)
        return (centres[labels] + rng.standard_normal((count, _FEATURES))).astype(np.float32), names[labels]

    head = ll.SoftmaxClassifier(C=0.01, tol=1e-2).fit(*drawn(10_000))
    X, labels = drawn(rows)
    table = pl.DataFrame(
        [
            pl.Series("embedding", X, dtype=pl.Array(pl.Float32, _FEATURES)),
            pl.Series("label", labels),
            pl.Series("text", [f"row {row} of no meaning" for row in range(rows)]),
        ]
    )
    model, data = folder / "head.safetensors", folder / "rows.parquet"
    head.save(model)
    table.write_parquet(data)
    return model, data
