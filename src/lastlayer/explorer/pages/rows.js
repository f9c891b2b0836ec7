// The rows of the data: a page of them at a time, sorted and filtered by the library.

import { $, all, ask, element, offerCopies, setAttributes, write } from "./explorer.js";
import { settleUnlessFocused } from "./inputs.js";
import { closeRow, showRow, beginRow } from "./row.js";

const PAGE = 25;
const FIELDS = ["sort", "order", "label", "prediction", "outcome", "text", "column", "offset"];
const FIGURES = ["loss", "confidence", "margin", "entropy"];
const HINTS = {
  loss: "−ln of the label's probability, in nats",
  confidence: "the largest probability",
  margin: "what the largest probability is above the second largest",
  entropy: "−Σ p ln p, in nats",
};

export const defaults = {
  sort: "",
  order: "",
  label: [],
  prediction: [],
  outcome: "",
  text: "",
  column: "",
  offset: "0",
  row: "",
  against: "second",
  scores: "top",
};

/** What of the state the rows are asked with. */
export function asked(state) {
  return { ...Object.fromEntries(FIELDS.map((name) => [name, state[name]])), count: PAGE };
}

let view = null;
let about = null;
let figures = [];
const body = $("#row-table tbody");

export function begin(opened) {
  view = opened;
  for (const [id, name] of [
    ["#find-text", "text"],
    ["#find-label", "label"],
    ["#find-prediction", "prediction"],
  ]) {
    const input = $(id);
    const value = () => (Array.isArray(defaults[name]) ? (input.value === "" ? [] : [input.value]) : input.value);
    if (name === "text") input.addEventListener("input", () => filter({ text: value() }, false));
    else
      input.addEventListener("input", () => {
        if (input.value === "" || about?.classes.includes(input.value)) filter({ [name]: value() }, false);
      });
    input.addEventListener("change", () => filter({ [name]: value() }, true));
  }
  for (const [id, name] of [
    ["#find-column", "column"],
    ["#find-outcome", "outcome"],
  ])
    $(id).addEventListener("change", () => filter({ [name]: $(id).value }, true));
  $("#previous").addEventListener("click", () => turn(-1));
  $("#next").addEventListener("click", () => turn(1));
  $("#rows .scroll").addEventListener("keydown", (event) => {
    const by = { PageDown: 1, PageUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    turn(by);
  });
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (line && getSelection().isCollapsed) open(line.dataset.row);
  });
  beginRow(view, () => {
    const button = $(`tr[data-row="${view.state.row}"] button`, body);
    view.set({ row: "", against: "second", scores: "top" });
    button?.focus();
  });
}

function filter(fields, commit) {
  view.set({ ...fields, offset: "0" }, { commit });
}

function turn(by) {
  if ($(by > 0 ? "#next" : "#previous").disabled) return;
  view.set({ offset: String(Math.max(0, Number(view.state.offset) + by * PAGE)) });
}

function open(row) {
  view.set({ row, against: "second", scores: "top" });
  $("#row").dataset.focus = "true";
}

export async function show(answer, state) {
  if (about === null) await tellAbout();
  head(answer);
  while (body.rows.length > answer.row.length) body.lastElementChild.remove();
  while (body.rows.length < answer.row.length) body.append(line());
  answer.row.forEach((row, place) => fill(body.rows[place], answer, place, state));
  const first = Number(state.offset);
  const last = first + answer.row.length;
  write(
    $("#found"),
    answer.row.length === 0
      ? `none of ${answer.text.of} rows${answer.found ? " stands here" : " is found"}`
      : `${first + 1} to ${last} of ${answer.text.found}${answer.found === answer.of ? " rows" : ` found among ${answer.text.of} rows`}`,
  );
  $("#previous").disabled = first === 0;
  $("#next").disabled = last >= answer.found;
  settleUnlessFocused($("#find-text"), state.text);
  settleUnlessFocused($("#find-label"), state.label[0] ?? "");
  settleUnlessFocused($("#find-prediction"), state.prediction[0] ?? "");
  $("#find-column").value = state.column;
  $("#find-outcome").value = state.outcome;
  if (state.row === "") {
    closeRow();
    offerCopies(answer);
  } else {
    offerCopies((await showRow(state, about)) ?? answer);
  }
}

async function tellAbout() {
  const [ok, found] = await ask("model", {});
  if (!ok) throw new Error(found.error);
  about = found;
  const where = about.where === null ? "" : ` where ${about.where}`;
  write(
    $("#about"),
    `${about.model}: ${about.text.classes} classes, ${about.text.features} features, beta ${Number(about.beta.toPrecision(5))}. ` +
      `It answers ${about.rule}. ${about.text.rows} rows of ${about.data.join(", ")}${where}.`,
  );
  $("#class-names").append(...about.classes.map((name) => element("option", { value: name })));
  $("#find-column").append(...about.searched.map((name) => element("option", { value: name }, name)));
  figures = about.labelled ? FIGURES : FIGURES.slice(1);
  $("#find-label").closest("label").hidden = !about.labelled;
  for (const option of all("#find-outcome option[value=right], #find-outcome option[value=wrong]"))
    option.hidden = option.disabled = !about.labelled;
  const cells = [sortable("row", "row", "the number of the row in the data, the first is 0")];
  cells.push(...about.columns.map((name) => element("th", { scope: "col", class: "k" }, name)));
  if (about.labelled) cells.push(element("th", { scope: "col", class: "t" }, "label"));
  cells.push(element("th", { scope: "col", class: "t" }, "prediction"));
  cells.push(...figures.map((name) => sortable(name, name, HINTS[name])));
  $("#row-table thead tr").replaceChildren(...cells);
}

function sortable(name, text, hint) {
  const button = element("button", { type: "button", title: hint }, text);
  button.addEventListener("click", () => {
    const sorted = button.parentElement.getAttribute("aria-sort");
    const order = sorted === null ? "" : sorted === "ascending" ? "descending" : "ascending";
    view.set({ sort: name, order, offset: "0" });
  });
  return element("th", { scope: "col", "data-sort": name }, button);
}

function head({ sort, order }) {
  for (const cell of all("[data-sort]")) setAttributes(cell, { "aria-sort": cell.dataset.sort === sort ? order : null });
}

function line() {
  const count = 1 + about.columns.length + (about.labelled ? 2 : 1) + figures.length;
  const cells = Array.from({ length: count }, () => element("td"));
  cells[0].append(element("button", { type: "button", class: "plain" }));
  about.columns.forEach((_, place) => cells[1 + place].setAttribute("class", "k"));
  for (let place = 1 + about.columns.length; place < count - figures.length; place++) cells[place].setAttribute("class", "t");
  return element("tr", {}, ...cells);
}

function fill(line, answer, place, state) {
  const row = String(answer.row[place]);
  line.dataset.row = row;
  setAttributes(line, { class: answer.outcome[place] || null, "aria-current": row === state.row ? "true" : null });
  const texts = [...answer.cells[place]];
  if (about.labelled) texts.push(answer.label[place] ?? "");
  texts.push(answer.prediction[place]);
  texts.push(...figures.map((name) => answer.text[name][place]));
  const button = $("button", line.cells[0]);
  write(button, row);
  setAttributes(button, { "aria-label": `open row ${row}` });
  texts.forEach((text, cell) => write(line.cells[cell + 1], text));
}
