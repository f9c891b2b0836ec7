// Loss: what the probability of the right class costs, and the gradient that comes of it.

import { classRows, nameOf, stretch } from "./class_rows.js";
import { $, element, offerCopies, openView, setAttributes, write } from "./explorer.js";
import { decimals, edited, range, settle } from "./inputs.js";
import { lossChart } from "./loss_chart.js";

const body = $("#gradient tbody");
const smoothing = $("#smoothing");
const smoothingSlider = $("#smoothing-slider");
const points = $("#points tbody");
let last = null;
let hinted = null;

const view = openView({
  endpoint: "loss",
  defaults: { class: ["cat", "dog", "cow", "zebra"], score: ["2", "1", "0.1", "-1"], label: "0", smoothing: "0" },
  show,
});

const draw = lossChart($("#chart"), (place, commit) => {
  const score = [...view.state.score];
  score[Number(view.state.label)] = last.answer.curve.score[place];
  view.set({ score }, { commit });
});

const rowsOf = classRows({
  body,
  add: $("#add"),
  view: () => view,
  own: (place) => {
    const label = element("input", { type: "radio", name: "label", value: place });
    label.addEventListener("change", () => view.set({ label: String(place) }));
    return [
      element("td", { class: "right" }, label),
      ...["p", "target", "gradient"].map(() => element("td", { class: "g" })),
      element("td", { class: "diverging" }, element("i")),
    ];
  },
  removed: (place) => {
    const label = Number(view.state.label);
    return { label: String(Math.max(0, place <= label ? label - 1 : label)) };
  },
  hint,
});

function show(answer, state) {
  last = { answer, state };
  const { text } = answer;
  const label = Number(state.label);
  rowsOf(state).forEach(({ root, cells }, place) => {
    const radio = cells[2].firstChild;
    radio.checked = place === label;
    setAttributes(radio, { "aria-label": `${nameOf(state, place)} is the right class` });
    root.classList.toggle("is-label", place === label);
    write(cells[3], text.softmax[place]);
    write(cells[4], text.target[place]);
    write(cells[5], text.gradient[place]);
    const bar = cells[6].firstChild;
    const gradient = answer.gradient[place] ?? 0;
    stretch(bar, Math.abs(gradient) / 2, 0.5 + Math.min(0, gradient) / 2);
    bar.classList.toggle("down", gradient < 0);
  });
  const sum = $("#sum").cells;
  ["softmax", "target", "gradient"].forEach((name, column) => write(sum[column + 3], text.sum[name]));
  showPoints([text.point, ...text.points]);
  draw(answer, state === view.state);
  write($("#label-name"), text.label);
  write($("#loss-value"), `loss ${text.loss}`);
  showWhy(text.why);
  $("#k-smoothed").hidden = answer.curve.smoothed === null;
  settle(smoothing, view.state.smoothing);
  smoothingSlider.value = state.smoothing;
  if (hinted !== null) hint(hinted);
  offerCopies(answer);
}

function showPoints(rows) {
  while (points.rows.length < rows.length) points.append(element("tr", {}, ...[0, 1, 2, 3, 4].map(() => element("td"))));
  points.rows[0].className = "now";
  rows.forEach((row, place) => {
    const texts = [row.p, row.loss, row.slope, row.likelihood, row.likelihood_slope];
    texts.forEach((text, column) => write(points.rows[place].cells[column], text));
  });
}

function showWhy(sentences) {
  const list = $("#why");
  while (list.children.length > sentences.length) list.lastElementChild.remove();
  while (list.children.length < sentences.length) list.append(element("li"));
  sentences.forEach((sentence, place) => write(list.children[place], sentence));
}

function hint(place) {
  if (last === null || place >= last.state.class.length) return;
  hinted = place;
  const { text } = last.answer;
  write(
    $("#hint"),
    `${nameOf(last.state, place)}: gradient = p - target = ${text.softmax[place]} - ${text.target[place]} = ` +
      `${text.gradient[place]}; were it the right class, −log p would be ${text.losses[place]}.`,
  );
}

edited(smoothing, (commit) => view.set({ smoothing: smoothing.value }, { commit }));
range(smoothingSlider, (commit) => view.set({ smoothing: decimals(Number(smoothingSlider.value)) }, { commit }));
