// Many classes: which are drawn, and how far a loss of the drawn ones is off over redraws.

import { $, element, offerCopies, openView, setAttributes, svg, write } from "./explorer.js";
import { edited, powerOfTen, range, settle } from "./inputs.js";

const NAMES = { once: "label counted once", both: "label corrected too", none: "no correction" };
const WIDTH = 320;
const FLOOR = 70; // where the bars of a histogram stand

const view = openView({
  endpoint: "sampling",
  defaults: { classes: "10000", candidates: "100", sampler: "LogUniform", label: "", remove: "1", seed: "0" },
  show,
});

const histograms = {};
const losses = {};
for (const [name, title] of Object.entries(NAMES)) {
  const bars = svg("g");
  const full = svg("line", { class: "full", y1: 0, y2: FLOOR });
  const least = svg("text", { x: 0, y: 88 });
  const most = svg("text", { x: WIDTH, y: 88, "text-anchor": "end" });
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} 92`, role: "img" }, svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }), bars, full, least, most);
  histograms[name] = { bars, full, least, most, chart };
  $("#histograms").append(element("figure", {}, element("figcaption", {}, title), chart));
}
for (const [name, title] of Object.entries({ full: "all classes", ...NAMES })) {
  losses[name] = element("tr", {}, element("th", { scope: "row" }, title), ...Array.from({ length: 4 }, () => element("td")));
  $("#losses tbody").append(losses[name]);
}

function show(answer, state) {
  const { text } = answer;
  const typed = { ...view.state, label: view.state.label || String(answer.label) };
  for (const name of ["classes", "candidates", "label", "seed"]) {
    // An emptied box is left so while it is being typed in: its label is the one that K has by itself.
    if (view.state[name] !== "" || document.activeElement !== $(`#${name}`)) settle($(`#${name}`), typed[name]);
  }
  const numbers = { classes: state.classes, candidates: state.candidates, label: String(answer.label) };
  for (const [name, number] of Object.entries(numbers)) {
    const slider = $(`#${name}-slider`);
    if (document.activeElement !== slider) slider.value = Math.log10(Number(number) + (name === "label" ? 1 : 0));
    setAttributes(slider, { "aria-valuetext": number });
  }
  $("#sampler").value = state.sampler;
  $("#remove").checked = state.remove === "1" || state.remove === "true";
  write($("#every"), answer.every);
  strip(answer);
  write($("#drawn"), text.drawn);
  candidates(answer.rows);
  write($("#redraws"), text.redraws);
  histogramsOf(answer);
  for (const name of Object.keys(NAMES)) text.corrections[name].forEach((cell, column) => write(losses[name].cells[column + 1], cell));
  [text.full, text.full, "", ""].forEach((cell, column) => write(losses.full.cells[column + 1], cell));
  write($("#sum"), text.sum);
  offerCopies(answer);
}

function histogramsOf(answer) {
  const { text } = answer;
  const at = (WIDTH * (answer.full - answer.least)) / (answer.most - answer.least);
  for (const [name, { bars, full, least, most, chart }] of Object.entries(histograms)) {
    const counts = answer.corrections[name].histogram;
    const highest = Math.max(...counts);
    const width = WIDTH / counts.length;
    while (bars.childElementCount < counts.length) bars.append(svg("rect"));
    counts.forEach((count, bin) => {
      const height = (66 * count) / highest;
      setAttributes(bars.children[bin], { x: bin * width, y: FLOOR - height, width: width - 1, height });
    });
    setAttributes(full, { x1: at, x2: at });
    setAttributes(chart, { "aria-label": `Losses over redraws, ${NAMES[name]}: mean ${text.corrections[name][1]}, full ${text.full}` });
    write(least, text.least);
    write(most, text.most);
  }
}

function strip({ ticks, label_tick: label }) {
  $("#strip").replaceChildren(
    svg("rect", { x: 0, y: 8, width: 1000, height: 24, class: "grid" }),
    svg("path", { class: "drawn", d: ticks.map((place) => `M${place} 8V32`).join("") }),
    svg("line", { class: "label", x1: label, x2: label, y1: 0, y2: 40 }),
  );
}

function candidates(rows) {
  const body = $("#candidates-table tbody");
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  while (body.rows.length < rows.length) body.append(element("tr", {}, ...Array.from({ length: 5 }, () => element("td"))));
  rows.forEach(({ cells, hit }, place) => {
    const row = body.rows[place];
    row.classList.toggle("hit", hit);
    cells.forEach((cell, column) => write(row.cells[column], cell));
  });
}

/** A label that K has left behind gives way to the one that K has by itself. */
function changed(name, value) {
  const isBeyond = name === "classes" && value !== "" && Number(view.state.label) >= Number(value);
  return isBeyond ? { classes: value, label: "" } : { [name]: value };
}

for (const name of ["classes", "candidates", "label"]) {
  const slider = $(`#${name}-slider`);
  const value = () => {
    const number = Math.round(Number(powerOfTen(slider)));
    return String(name === "label" ? Math.min(number, Number(view.state.classes)) - 1 : number);
  };
  range(slider, (commit) => view.set(changed(name, value()), { commit }));
}
for (const name of ["classes", "candidates", "label", "seed"]) {
  const input = $(`#${name}`);
  edited(input, (commit) => view.set(changed(name, input.value), { commit }));
}
$("#sampler").addEventListener("change", () => view.set({ sampler: $("#sampler").value }));
$("#remove").addEventListener("change", () => view.set({ remove: $("#remove").checked ? "1" : "0" }));
