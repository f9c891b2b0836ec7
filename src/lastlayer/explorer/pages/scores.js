// Scores to probabilities: a table that is edited, and every step of softmax beside it.

import { $, element, offerCopies, openView, setAttributes, write } from "./explorer.js";
import { edited, powerOfTen, range, settle } from "./inputs.js";
import { formulas } from "./scores_formula.js";
import { pasted, withPasted } from "./scores_paste.js";
import { showPrecisions } from "./scores_precisions.js";
import { scoreRows } from "./scores_rows.js";
import { showSmooth } from "./scores_smooth.js";

const MOST_ROWS = 1000;
const table = $("#steps");
const beta = $("#beta");
const betaSlider = $("#beta-slider");
const label = $("#label");
const order = $("#order");
const precision = $("#precision");

let view = null;
let places = []; // of the classes, row by row
let next = null; // where the focus goes when the rows are there
const lines = scoreRows(table, {
  state: () => view.state,
  isOpen: () => view.open,
  set: (fields, options) => view.set(fields, options),
  remove,
});
const formula = formulas(table);

function show(answer, state) {
  // Classes were added or removed meanwhile: the answer to that is on its way.
  if (state.class.length !== view.state.class.length) return;
  const asked = answer.shown;
  let from = null;
  // A row that is dragged stays where it is until it is let go.
  if (view.open && places.length === asked.length) {
    const found = new Map(asked.map((place, at) => [place, at]));
    if (places.every((place) => found.has(place))) from = found;
  }
  if (from === null) {
    const kept = keptFocus();
    places = asked;
    lines.typed(places);
    kept?.();
  } else {
    lines.typed(places);
  }
  lines.numbers(answer, state, places, from);
  controls();
  formula.tell(answer, state);
  sentences(answer, state);
  showSmooth(answer.smooth_max, answer);
  showPrecisions(answer.precision, asked.map((place) => state.class[place]));
  offerCopies(answer);
  next?.();
  next = null;
}

/** Without numbers, what was typed can be mended. */
function refused() {
  const count = Math.min(view.state.class.length, MOST_ROWS);
  if (places.length !== count) places = Array.from({ length: count }, (_, at) => at);
  lines.typed(places);
  controls();
}

// The focus belongs to a class, not to a row: it goes where its class goes.
function keptFocus() {
  const row = document.activeElement?.closest("#steps tbody tr")?.row;
  const part = row && ["name", "score", "handle", "gone"].find((name) => row[name] === document.activeElement);
  if (!part) return null;
  const place = row.place;
  return () => {
    const to = lines.rows.find((other) => other.place === place);
    if (to && to !== row) to[part].focus();
  };
}

function controls() {
  const state = view.state;
  settle(beta, state.beta);
  const power = Math.log10(Number(state.beta));
  if (Number.isFinite(power)) betaSlider.value = power;
  setAttributes(betaSlider, { "aria-valuetext": state.beta });
  order.checked = state.order === "largest";
  precision.checked = state.precision === "1";
  const options = ["no label", ...state.class.slice(0, MOST_ROWS)];
  while (label.length > options.length) label.lastElementChild.remove();
  while (label.length < options.length) label.append(element("option", { value: label.length - 1 }));
  for (const [at, name] of options.entries()) if (label.options[at].text !== name) label.options[at].text = name;
  if (Number(state.label) >= MOST_ROWS) label.append(element("option", { value: state.label }, state.class[Number(state.label)] ?? ""));
  settle(label, state.label);
}

function sentences(answer, state) {
  const loss = $("#loss");
  loss.hidden = answer.loss === null;
  if (answer.loss) write(loss, `loss of ${state.class[Number(state.label)]} = -log ${answer.loss.softmax} = ${answer.loss.text}`);
  const overflow = $("#overflow");
  overflow.hidden = answer.overflow === null;
  write(overflow, answer.overflow?.sentence ?? "");
  const count = answer.classes.toLocaleString("en");
  const shown = answer.shown.length.toLocaleString("en");
  const which = state.order === "largest" ? "largest" : "first";
  write($("#count"), answer.shown.length < answer.classes ? `The ${which} ${shown} of ${count} classes; sums are over all.` : "");
}

function remove(place) {
  const { class: names, score, label: right } = view.state;
  const at = Number(right);
  const line = lines.rows.findIndex((row) => row.place === place);
  next = () => {
    const row = lines.rows[Math.min(line, lines.rows.length - 1)];
    (row.gone.disabled ? row.name : row.gone).focus();
  };
  view.set({
    class: names.toSpliced(place, 1),
    score: score.toSpliced(place, 1),
    label: at === place ? "-1" : at > place ? String(at - 1) : right,
  });
}

$("#add").addEventListener("click", () => {
  const { class: names, score } = view.state;
  const place = names.length;
  next = () => {
    const row = lines.rows.find((other) => other.place === place);
    row?.name.focus();
    row?.name.select();
  };
  view.set({ class: [...names, `class ${place}`], score: [...score, "0"] });
});

table.addEventListener("paste", (event) => {
  const row = event.target.closest("tr")?.row;
  const into = row && (event.target === row.name ? "class" : event.target === row.score ? "score" : null);
  const columns = into && pasted(event.clipboardData.getData("text/plain"), into);
  if (!columns) return;
  event.preventDefault();
  view.set({ ...withPasted(view.state, columns, row.place), order: "given" });
});

$(".presets").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  view.go(link.href);
});

edited(beta, (commit) => view.set({ beta: beta.value }, { commit }));
range(betaSlider, (commit) => view.set({ beta: powerOfTen(betaSlider) }, { commit }));
label.addEventListener("change", () => view.set({ label: label.value }));
order.addEventListener("change", () => view.set({ order: order.checked ? "largest" : "given" }));
precision.addEventListener("change", () => view.set({ precision: precision.checked ? "1" : "0" }));

view = openView({
  endpoint: "scores",
  defaults: {
    class: ["cat", "dog", "cow", "zebra"],
    score: ["2", "1", "0.1", "-1"],
    beta: "1",
    label: "-1",
    order: "given",
    precision: "0",
  },
  show,
  refused,
});
