"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Tables: a header's button sorts, up and then down; what is undefined comes last.
  const number = (cell) => {
    const text = (cell.dataset.sort ?? cell.textContent).replaceAll(",", "").replace(" %", "").replace("inf", "Infinity");
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : null;
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      $("button", head).addEventListener("click", () => {
        const isNumber = head.classList.contains("n");
        const first = isNumber ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? (isNumber ? "ascending" : "descending") : first;
        for (const other of heads) other.setAttribute("aria-sort", other === head ? order : "none");
        const sign = order === "ascending" ? 1 : -1;
        const keyed = all("tbody tr", table).map((row) => {
          const cell = row.cells[column];
          return [isNumber ? number(cell) : cell.textContent, row];
        });
        const compare = new Intl.Collator(undefined, { numeric: true }).compare;
        keyed.sort(([a], [b]) => {
          if (isNumber) return a === null || b === null ? (a === null) - (b === null) : a === b ? 0 : sign * (a - b);
          return sign * compare(a, b);
        });
        $("tbody", table).append(...keyed.map(([, row]) => row));
      });
    });
  }
  for (const input of all("[data-filter]")) {
    input.closest("p").hidden = false;
    const rows = all("tbody tr", document.getElementById(input.dataset.filter));
    const found = $(`[data-found=${input.dataset.filter}]`);
    const names = rows.map((row) => row.cells[0].textContent.toLowerCase());
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, place) => {
        row.hidden = !names[place].includes(wanted);
        count += row.hidden ? 0 : 1;
      });
      found.textContent = wanted ? `${count.toLocaleString("en")} found` : "";
    });
  }

  // The explorer: every number follows from the counts at the slider's stop.
  const data = JSON.parse($("#data").textContent);
  const slider = $("#threshold");
  if (!data || !slider) return;
  const share = (part, whole) => (whole > 0 ? part / whole : null);
  const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
  const amount = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 });
  const decimals = (value) => (value === null ? "–" : value.toFixed(4));
  const costs = () => all("[data-cost]").map((input) => Math.max(0, input.valueAsNumber || 0));

  const answers = (stop) => {
    const answered = data.answered[stop];
    const right = data.right[stop];
    const unknown = data.unknown ? data.unknown[stop] : 0;
    const rows = data.rows + data.unknownRows;
    const wrong = answered - right + unknown;
    const silent = rows - answered - unknown;
    return {
      x: share(answered, data.rows),
      y: share(answered - right, answered),
      cost: ([ofFalse, ofOther]) => (ofFalse * wrong + ofOther * silent) / rows,
      text: {
        coverage: percent(share(answered, data.rows)),
        precision: percent(share(right, answered + unknown)),
        recall: percent(share(right, data.rows)),
        unknown: percent(share(unknown, data.unknownRows)),
        false: amount(wrong),
        silent: amount(silent),
      },
    };
  };
  const labels = (stop) => {
    const predicted = data.predicted[stop];
    const right = data.right[stop];
    return {
      x: share(right, data.labels),
      y: share(right, predicted),
      cost: ([ofFalse, ofOther]) => (ofFalse * (predicted - right) + ofOther * (data.labels - right)) / data.rows,
      text: {
        precision: percent(share(right, predicted)),
        recall: percent(share(right, data.labels)),
        micro: decimals(share(2 * right, predicted + data.labels)),
        macro: decimals(data.macro ? data.macro[stop] : null),
        predicted: (predicted / data.rows).toFixed(2),
        missed: amount(data.labels - right),
        false: amount(predicted - right),
      },
    };
  };
  const at = data.kind === "answers" ? answers : labels;
  const outputs = all("[data-out]").map((output) => [output.dataset.out, output]);
  const dot = $("[data-move=point]");
  const cuts = all("[data-move=cut]");
  const show = () => {
    const stop = slider.valueAsNumber;
    const here = at(stop);
    const threshold = data.threshold[stop];
    const text = { ...here.text, threshold: threshold.toFixed(3), cost: decimals(here.cost(costs())) };
    for (const [name, output] of outputs) output.textContent = text[name];
    slider.setAttribute("aria-valuetext", `threshold ${text.threshold}`);
    if (dot) {
      const { left, right, top, base, most } = dot.dataset;
      const isThere = here.x !== null && here.y !== null && here.y <= Number(most);
      dot.toggleAttribute("hidden", !isThere);
      if (isThere) {
        dot.setAttribute("cx", Number(left) + here.x * (right - left));
        dot.setAttribute("cy", Number(base) - (here.y / most) * (base - top));
      }
    }
    for (const cut of cuts) {
      const { left, right } = cut.dataset;
      const x = Number(left) + threshold * (right - left);
      cut.removeAttribute("hidden");
      cut.setAttribute("x1", x);
      cut.setAttribute("x2", x);
    }
  };
  slider.addEventListener("input", show);
  for (const input of all("[data-cost]")) input.addEventListener("input", show);
  $("[data-least]").addEventListener("click", () => {
    const weights = costs();
    let best = 0;
    let least = Infinity;
    data.threshold.forEach((_, stop) => {
      const cost = at(stop).cost(weights);
      if (cost < least - 1e-12) [best, least] = [stop, cost];
    });
    slider.value = best;
    show();
  });
  show();
})();
