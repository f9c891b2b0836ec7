// One label or many: softmax and sigmoid of the same scores, and a threshold across both.

import { classRows, nameOf, stretch } from "./class_rows.js";
import { $, element, offerCopies, openView, write } from "./explorer.js";
import { decimals, edited, settle, slider, tellSlider } from "./inputs.js";

const body = $("#labels tbody");
const table = $("#labels");
const line = $("#line");
const narrow = matchMedia("(max-width:48rem)");
const threshold = $("#threshold");
let last = null;
let hinted = null;

const view = openView({
  endpoint: "labels",
  defaults: { class: ["cat", "dog", "cow", "zebra"], score: ["2", "1", "0.1", "-1"], threshold: "0.5" },
  show,
});

const rowsOf = classRows({
  body,
  add: $("#add"),
  view: () => view,
  own: () => [
    element("td", { class: "p" }),
    element("td", { class: "p" }),
    element("td", { class: "pair" }, element("i", { class: "of-softmax" }), element("i", { class: "of-sigmoid" })),
  ],
  hint,
});

function show(answer, state) {
  last = { answer, state };
  const { text } = answer;
  const chosen = { softmax: new Set(answer.answers.softmax), sigmoid: new Set(answer.answers.sigmoid) };
  rowsOf(state).forEach(({ cells }, place) => {
    ["softmax", "sigmoid"].forEach((name, column) => {
      const [cell, bar] = [cells[2 + column], cells[4].children[column]];
      write(cell, text[name][place]);
      for (const target of [cell, bar]) target.classList.toggle("chosen", chosen[name].has(place));
      stretch(bar, answer[name][place]);
    });
  });
  const sum = $("#sum").cells;
  write(sum[2], text.sum.softmax);
  write(sum[3], text.sum.sigmoid);
  write(sum[4], `Softmax shares 1 among the classes. Sigmoid asks of each by itself: from 0 to ${state.class.length}.`);
  write($("#one"), text.answers.softmax);
  write($("#one-why"), text.why.softmax);
  write($("#many"), text.answers.sigmoid);
  write($("#many-why"), text.why.sigmoid);
  write($("#pair"), text.pair);
  placeLine();
  tellSlider(line, {
    least: 0,
    most: 1,
    value: answer.threshold,
    text: `${text.threshold}: softmax answers ${text.answers.softmax}, sigmoid answers ${text.answers.sigmoid}`,
    label: "threshold",
  });
  settle(threshold, view.state.threshold);
  if (hinted !== null) hint(hinted);
  offerCopies(answer);
}

// The line across all bars is one element, placed by what the table measures; on a phone each row has a piece of it.
function placeLine() {
  if (last === null) return;
  const { threshold: at } = last.answer;
  $("i", line).style.left = `${100 * at}%`;
  if (narrow.matches) {
    table.style.setProperty("--threshold", at);
    return;
  }
  const across = $("#across");
  const [room, track] = [across.parentElement, line].map((box) => box.getBoundingClientRect());
  const left = track.left - room.left - across.parentElement.clientLeft + across.parentElement.scrollLeft;
  across.style.left = `${left + at * track.width}px`;
  across.style.top = `${body.offsetTop}px`;
  across.style.height = `${body.offsetHeight}px`;
}
new ResizeObserver(placeLine).observe(table);

function hint(place) {
  if (last === null || place >= last.state.class.length) return;
  hinted = place;
  const { text } = last.answer;
  const [score, softmax, sigmoid] = [text.score[place], text.softmax[place], text.sigmoid[place]];
  write(
    $("#hint"),
    `${nameOf(last.state, place)}: softmax = exp(${score} - ${text.logsumexp}) = ${softmax}, where ${text.logsumexp} = ` +
      `log of the sum of exp(score); sigmoid = 1 / (1 + exp(${negative(score)})) = ${sigmoid}.`,
  );
}

const negative = (text) => (text.startsWith("-") ? text.slice(1) : `-${text}`);

slider(line, {
  range: () => ({ least: 0, most: 1, step: 0.01, page: 0.1 }),
  value: () => Number(view.state.threshold) || 0,
  at: (event) => {
    const box = line.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  },
  input: (value, commit) => view.set({ threshold: decimals(value) }, { commit }),
});
// The line can be taken anywhere on the bars; a finger scrolls there.
body.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" || !event.target.closest(".pair")) return;
  event.preventDefault();
  line.dispatchEvent(new PointerEvent("pointerdown", event));
});

edited(threshold, (commit) => view.set({ threshold: threshold.value }, { commit }));
