// The table of steps: a row for each class that is shown, made once and then only told what changed.

import { element, setAttributes, write } from "./explorer.js";
import { edited, settle, slider, tellSlider } from "./inputs.js";

const OVERFLOW = ["", "inf in float32", "inf even in float64"];
const SUMMED = ["beta_score", "exponential", "shifted_exponential", "softmax", "hardmax"];

const cell = (step, ...content) => element("td", { role: "cell", "data-step": step }, ...content);
const plain = (kind, ...content) => element("td", { role: "cell", class: kind }, ...content);

/**
 * @param table with an empty tbody, and #sum and #max in its foot.
 * @param state () => the newest state.
 * @param isOpen () => whether a drag or an edit is under way.
 * @param set (fields, {commit}) => void
 * @param remove (place) => void
 */
export function scoreRows(table, { state, isOpen, set, remove }) {
  const body = table.tBodies[0];
  const rows = [];
  let scale = { least: -1, most: 1, step: 0.1 };
  const foot = ["sum", "max"].map(footRow);

  function change(field, place, text, commit) {
    set({ [field]: state()[field].with(place, text) }, { commit });
  }

  function footRow(name) {
    const line = table.tFoot.querySelector(`#${name}`);
    const score = name === "max" ? cell("score") : plain();
    const cells = Object.fromEntries(SUMMED.map((step) => [step, cell(step)]));
    line.append(element("th", { scope: "row", role: "rowheader" }, name), score, plain());
    line.append(cells.beta_score, cells.exponential, cells.shifted_exponential, cells.softmax, plain(), cells.hardmax, plain());
    if (name === "sum") cells.beta_score.removeAttribute("data-step");
    const row = { line, name, cells: { ...cells, score } };
    line.row = row;
    return row;
  }

  function makeRow() {
    const name = element("input", { type: "text", spellcheck: "false", autocomplete: "off", dir: "auto" });
    const score = element("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
    const knob = element("i");
    const handle = element("div", { class: "handle" }, knob);
    const fill = element("i");
    const power = document.createTextNode("");
    const above = element("small");
    const gone = element("button", { type: "button", class: "remove" }, "×");
    const cells = {
      beta_score: cell("beta_score"),
      exponential: cell("exponential", element("span", {}, power), above),
      shifted_exponential: cell("shifted_exponential"),
      softmax: cell("softmax"),
      hardmax: cell("hardmax"),
    };
    const line = element(
      "tr",
      { role: "row" },
      plain("t", name),
      plain("", score),
      plain("", handle),
      cells.beta_score,
      cells.exponential,
      cells.shifted_exponential,
      cells.softmax,
      plain("", element("div", { class: "fill" }, fill)),
      cells.hardmax,
      plain("", gone),
    );
    const row = { line, name, score, handle, knob, fill, power, above, gone, cells, place: -1 };
    line.row = row;
    for (const [input, field] of [
      [name, "class"],
      [score, "score"],
    ]) {
      edited(input, (commit) => change(field, row.place, input.value, commit));
    }
    gone.addEventListener("click", () => remove(row.place));
    slider(handle, {
      range: () => ({ ...scale, page: 10 * scale.step }),
      value: () => Number(asNumber(state().score[row.place])),
      at(event) {
        const box = handle.getBoundingClientRect();
        const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
        return scale.least * (1 - share) + scale.most * share;
      },
      input: (value, commit) => change("score", row.place, rounded(value, scale.step), commit),
    });
    return row;
  }

  /** What is typed: the newest state, without numbers. */
  function typed(places) {
    while (rows.length > places.length) rows.pop().line.remove();
    const made = [];
    while (rows.length < places.length) made.push(rows[rows.push(makeRow()) - 1].line);
    body.append(...made);
    const now = state();
    for (const [at, place] of places.entries()) {
      const row = rows[at];
      const name = now.class[place] ?? "";
      const called = name || `class ${place}`;
      if (row.place !== place) {
        setAttributes(row.name, { "data-field": `class[${place}]`, "aria-label": `name of class ${place}` });
        setAttributes(row.score, { "data-field": `score[${place}]` });
      }
      if (row.place !== place || row.called !== called) {
        setAttributes(row.score, { "aria-label": `score of ${called}` });
        setAttributes(row.gone, { "aria-label": `remove ${called}`, title: "remove" });
        row.called = called;
      }
      row.place = place;
      settle(row.name, name);
      settle(row.score, now.score[place] ?? "");
      row.gone.disabled = now.class.length < 2;
    }
  }

  /** The numbers of an answer. `places` are those of `typed`, in which the answer's rows stand at `from`. */
  function numbers(answer, now, places, from) {
    const { least, most, step } = answer.scale;
    const isSame = scale.least === least && scale.most === most && scale.step === step;
    if (!isOpen() && !isSame) scale = answer.scale;
    const label = Number(now.label);
    const { steps } = answer.text;
    for (const [at, place] of places.entries()) {
      const row = rows[at];
      const { cells } = row;
      const i = from === null ? at : from.get(place);
      const text = {
        beta_score: steps.beta_score[i],
        exponential: steps.exponential[i],
        shifted_exponential: steps.shifted_exponential[i],
        softmax: steps.softmax[i],
        hardmax: place === answer.winner ? "1" : "0",
      };
      write(cells.beta_score, text.beta_score);
      if (row.power.data !== text.exponential) row.power.data = text.exponential;
      row.code = answer.overflow?.cells[i] ?? 0;
      write(row.above, OVERFLOW[row.code]);
      write(cells.shifted_exponential, text.shifted_exponential);
      write(cells.softmax, text.softmax);
      write(cells.hardmax, text.hardmax);
      const width = `${100 * answer.softmax[i]}%`;
      if (row.width !== width) row.fill.style.width = row.width = width;
      const score = asNumber(now.score[place]);
      const left = `${100 * shareOf(score)}%`;
      if (row.left !== left) row.knob.style.left = row.left = left;
      const kind = (place === label ? "label " : "") + (place === answer.winner ? "winner" : "");
      if (row.kind !== kind) row.line.className = row.kind = kind;
      row.text = text;
      tell(row, score, now.score[place]);
    }
    for (const { name, cells } of foot) {
      for (const [step, target] of Object.entries(cells)) write(target, answer.text[name][step] ?? "");
    }
  }

  /** What a screen reader hears of a handle, written only where it is another. */
  function tell(row, score, typed) {
    const isImpossible = score === -Infinity;
    const heard = `${isImpossible ? "impossible" : typed}, softmax ${row.text.softmax}`;
    if (row.heard === heard && row.calledHandle === row.called && row.scale === scale) return;
    const value = isImpossible ? scale.least : score;
    tellSlider(row.handle, { ...scale, value, text: heard, label: `slide the score of ${row.called}` });
    row.handle.classList.toggle("impossible", isImpossible);
    [row.heard, row.calledHandle, row.scale] = [heard, row.called, scale];
  }

  // Quarters, so that no difference overflows.
  function shareOf(score) {
    const share = (score / 4 - scale.least / 4) / (scale.most / 4 - scale.least / 4);
    return score === -Infinity ? 0 : Math.min(1, Math.max(0, share));
  }

  return { rows, typed, numbers };
}

/** The library has read the text already; it takes "-inf" where JavaScript does not. */
function asNumber(text) {
  const number = Number(text);
  return Number.isNaN(number) ? -Infinity : number;
}

/** `value` as a multiple of `step`, without the digits that only rounding gave it. */
function rounded(value, step) {
  const multiple = Math.abs(value) < 1e300 ? Math.round(value / step) * step : value;
  return String(Number(multiple.toPrecision(12)));
}
