"""`lastlayer evaluate --report` in a process of its own: seconds, peak memory, size of the page, and the slider.

The slider is measured in a browser where Playwright and a Chromium are installed: milliseconds from an event of the
slider to the end of its handler, and to the end of the layout that it brings.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import lastlayer as ll
from benchmarks.floors import measured_floors

_FEATURES, _CLASSES, _FITTED_ROWS, _PIECE = 64, 100, 20_000, 100_000
# Steps of the slider that are timed.
_STEPS = 200
_SLIDE = """async (steps) => {
  const slider = document.querySelector("#threshold"), handler = [], frame = [];
  for (let step = 0; step < steps; step++) {
    slider.value = (step * 7919) % slider.max;
    const start = performance.now();
    slider.dispatchEvent(new Event("input"));
    handler.push(performance.now() - start);
    document.body.offsetHeight;
    frame.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
  }
  return { handler, frame };
}"""


def measure(*, quick):
    rows = 50_000 if quick else 1_000_000
    floors = measured_floors()
    with tempfile.TemporaryDirectory() as folder:
        data, model, page = (Path(folder, name) for name in ("rows.parquet", "head.safetensors", "report.html"))
        weight = _write_rows(data, rows)
        _write_model(model, weight)
        figures = {"rows": rows, "classes": _CLASSES, "features": _FEATURES, "data_bytes": data.stat().st_size}
        for name, options in (("no report", []), ("report", ["--report", str(page), "--keep", "text"])):
            seconds, busy, memory = _run(["evaluate", str(model), str(data), "--label", "label", *options])
            figures[name] = {"seconds": seconds, "seconds_of_cores": busy, "peak_bytes": memory}
            times = f"{seconds:6.1f} s, {busy:6.1f} s of all cores"
            print(f"{name:10} {rows:,} x {_CLASSES}: {times}, {memory / 1e9:.2f} GB at most", flush=True)
        figures["page_bytes"] = page.stat().st_size
        print(f"the page: {figures['page_bytes'] / 1e3:.0f} kB")
        thousand = Path(folder, "thousand.html")
        thousand.write_text(_page_of_a_thousand(), encoding="utf-8")
        figures["page_bytes_of_1000_classes"] = thousand.stat().st_size
        print(f"of 1,000 classes: {thousand.stat().st_size / 1e3:.0f} kB")
        for name, file in (("slider", page), ("slider of 1000 classes", thousand)):
            figures[name] = slider_times(file)
            if figures[name] is None:
                print("slider: Playwright or Chromium is not there")
                break
            print(f"{name}: " + ", ".join(f"{key} {value:.2f} ms" for key, value in figures[name].items()))
    return {"floors": floors, "results": [figures]}


def slider_times(file):
    """Milliseconds of the handler, and with the layout that it brings: median, 95th of 100, worst; None without one."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if importlib.util.find_spec("playwright") is None or browser_path is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(file.as_uri())
        times = page.evaluate(_SLIDE, _STEPS)
        browser.close()
    return {
        f"{of} {what}": float(function(times[of]))
        for of in ("handler", "frame")
        for what, function in (("median", np.median), ("95 %", lambda x: np.quantile(x, 0.95)), ("worst", np.max))
    }


def _write_rows(path, rows):
    """A parquet file in pieces; returns the weight by which labels were drawn."""
    import polars as pl

    rng = np.random.default_rng(0)
    weight = rng.standard_normal((_FEATURES, _CLASSES)).astype(np.float32) * 0.6
    pieces = []
    for start in range(0, rows, _PIECE):
        count = min(_PIECE, rows - start)
        X, labels = _drawn(rng, weight, count)
        text = pl.Series("text", [f"row {start + i}" for i in range(count)])
        pieces.append(path.with_name(f"piece-{start}.parquet"))
        embedding = pl.Series("embedding", X, dtype=pl.Array(pl.Float32, _FEATURES))
        pl.DataFrame([embedding, pl.Series("label", labels), text]).write_parquet(pieces[-1])
    pl.scan_parquet(pieces).sink_parquet(path)
    for piece in pieces:
        piece.unlink()
    return weight


def _drawn(rng, weight, count):
    X = rng.standard_normal((count, _FEATURES)).astype(np.float32)
    return X, (X @ weight + rng.gumbel(size=(count, _CLASSES)).astype(np.float32)).argmax(axis=1)


def _write_model(path, weight):
    rng = np.random.default_rng(1)
    head = ll.SoftmaxClassifier(C=0.01, tol=1e-2).fit(*_drawn(rng, weight, _FITTED_ROWS))
    head.calibrate(*_drawn(rng, weight, _FITTED_ROWS))
    head.save(path)


def _page_of_a_thousand():
    from lastlayer.metrics import DetailedAccumulator
    from lastlayer.report import report_page

    rng = np.random.default_rng(2)
    names = np.array([f"class {k:04d} of the thousand" for k in range(1000)], object)
    accumulator = DetailedAccumulator(names, intervals=0.95)
    for _ in range(10):
        labels = rng.integers(0, 1000, 1000)
        logits = 2 * rng.standard_normal((1000, 1000))
        logits[np.arange(1000), labels] += 6
        accumulator.add(ll.softmax(logits), names[labels], describe=lambda row: {"text": f"row {row}"})
    return report_page(*accumulator.result())


def _run(arguments):
    """Seconds, seconds that cores worked, and peak resident bytes of the command in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "lastlayer", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"lastlayer {arguments[0]} ended with status {status}")
    process.returncode = 0
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
