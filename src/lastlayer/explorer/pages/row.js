// One row in full: its scores by class, and what its features contribute to two of them.

import { $, ask, element, setAttributes, write } from "./explorer.js";

const section = $("#row");
const classes = $("#row-classes tbody");
const features = $("#row-features tbody");
const foot = $("#row-features tfoot");
const POINT = "Point at a row for its formula.";

export function beginRow(view, close) {
  $("#row-close").addEventListener("click", close);
  $("#row-all").addEventListener("click", () => view.set({ scores: view.state.scores === "all" ? "top" : "all" }));
  $("#find-against").addEventListener("change", () => view.set({ against: $("#find-against").value }));
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
}

export function closeRow() {
  section.hidden = true;
}

/** Show the row of `state`; its answer, or null where there is none. */
export async function showRow(state, about) {
  const { row, against, scores } = state;
  const [ok, answer] = await ask("row", { row, against, scores });
  section.hidden = false;
  for (const part of section.children) part.hidden = !ok && !part.matches("#row-title, #row-says, .pages");
  $("#row-scores").hidden = !ok;
  write($("#row-title"), `Row ${row}`);
  if (!ok) {
    write($("#row-says"), answer.error);
    return null;
  }
  const label = answer.label === null ? "" : ` Its label is ${answer.label}${strange(answer, about)}.`;
  const loss = answer.text.loss === undefined || answer.loss === null ? "" : `, loss ${answer.text.loss}`;
  write(
    $("#row-says"),
    `The model answers ${answer.prediction}: confidence ${answer.text.confidence}, margin ${answer.text.margin}, ` +
      `entropy ${answer.text.entropy}${loss}.${label}`,
  );
  $("#row-columns").replaceChildren(
    ...answer.columns.flatMap(({ name, value }) => [element("dt", {}, name), element("dd", {}, value)]),
  );
  setAttributes($("#row-scores"), { href: answer.scores_page });
  classes.replaceChildren(...answer.classes.map(classLine));
  const more = $("#row-all");
  more.hidden = answer.num_classes <= 20;
  write(more, scores === "all" ? "Show the first 20" : `Show all ${answer.num_classes}`);
  compared(answer.contributions, answer, state);
  if (section.dataset.focus) {
    delete section.dataset.focus;
    $("#row-title").focus();
  }
  return answer;
}

function strange(answer, about) {
  return answer.loss === null && about.labelled ? ", which is no class of the model" : "";
}

function classLine(found) {
  const bar = element("div", { class: "share" }, element("i"));
  bar.firstChild.style.width = `${100 * found.probability}%`;
  const name = element("th", { scope: "row" }, found.class);
  if (found.label) name.append(element("small", {}, " label"));
  return element(
    "tr",
    { class: found.label ? "is-label" : null },
    name,
    element("td", {}, String(found.rank)),
    element("td", {}, found.text.score),
    element("td", {}, found.text.probability),
    element("td", {}, bar),
  );
}

function compared(found, answer, state) {
  $("#row-why").hidden = found === null;
  if (found === null) return;
  write($("#row-first"), found.first);
  write($("#row-second"), found.second);
  $("#row-against").hidden = answer.loss === undefined || answer.loss === null;
  $("#find-against").value = state.against;
  const largest = Math.max(...found.features.map(({ difference }) => Math.abs(difference)), 1e-300);
  features.replaceChildren(...found.features.map((feature) => featureLine(feature, largest)));
  write($("#row-formula"), POINT);
  const sums = [[`score of ${found.first} less that of ${found.second}`, found.text.total]];
  if (Math.abs(found.intercept) > 0) sums.unshift(["intercepts", found.text.intercept]);
  if (found.rest_of > 0) sums.unshift([`${found.text.rest_of} other features`, found.text.rest]);
  foot.replaceChildren(
    ...sums.map(([name, text]) =>
      element("tr", {}, element("th", { scope: "row", colspan: 5 }, name), element("td", {}, text)),
    ),
  );
}

function featureLine({ feature, difference, text }, largest) {
  const bar = element("div", { class: "diverging" }, element("i", { class: difference < 0 ? "less" : null }));
  const width = (50 * Math.abs(difference)) / largest;
  bar.firstChild.style.width = `${width}%`;
  bar.firstChild.style.left = `${difference < 0 ? 50 - width : 50}%`;
  const said = `${feature}: ${text.formula}`;
  const button = element("button", { type: "button", class: "plain", "aria-label": said }, text.difference);
  const line = element(
    "tr",
    {},
    element("th", { scope: "row" }, feature),
    element("td", {}, text.value),
    element("td", {}, text.first),
    element("td", {}, text.second),
    element("td", {}, bar),
    element("td", {}, button),
  );
  line.addEventListener("pointerenter", () => write($("#row-formula"), said));
  button.addEventListener("focus", () => write($("#row-formula"), said));
  return line;
}
