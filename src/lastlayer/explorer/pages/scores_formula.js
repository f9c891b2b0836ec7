// How a number comes about, with the numbers of its own row: on hover and on focus.

import { $, all, write } from "./explorer.js";

const HINT = "Point at a number, or go to it with Tab and the arrow keys, to see how it comes about.";
const LIMITS = ["", "10^38.53, the largest float32, which holds inf in its place", "10^308.25, the largest float64, which holds inf in its place"];

const within = (text) => (text.startsWith("-") ? `(${text})` : text);

// Of a row: its texts, its score as typed; of the whole: beta as typed, the texts of the sums and of the maximum.
const OF_A_CLASS = {
  beta_score: (own, whole) => `beta · score = ${whole.beta} · ${within(own.score)} = ${own.beta_score}`,
  exponential: (own) =>
    `exp(beta · score) = exp(${own.beta_score}) = ${own.exponential}` +
    (own.code ? `, above ${LIMITS[own.code]}; inf / inf is NaN` : ""),
  shifted_exponential: (own, whole) =>
    `exp(beta · (score - max)) = exp(${whole.beta} · (${own.score} - ${within(whole.top)})) = ${own.shifted_exponential}`,
  softmax: (own, whole) =>
    `shifted exp / its sum = ${own.shifted_exponential} / ${whole.sum.shifted_exponential} = ${own.softmax}`,
  hardmax: (own, whole) =>
    own.hardmax === "1"
      ? `1: ${own.score} is the largest score; of equals the first`
      : `0: the largest score, ${whole.top}, is another class's or comes first`,
};

const OF_ALL = {
  sum: {
    exponential: (whole) => `sum of exp(beta · score) over ${whole.count} classes = ${whole.sum.exponential}`,
    shifted_exponential: (whole) =>
      `sum of exp(beta · (score - max)) over ${whole.count} classes = ${whole.sum.shifted_exponential}: the largest adds 1`,
    softmax: (whole) => `sum of softmax over ${whole.count} classes = ${whole.sum.softmax}, as of every probability`,
    hardmax: () => "sum of hardmax = 1: one class is answered",
  },
  max: {
    score: (whole) => `largest score = ${whole.max.score}`,
    beta_score: (whole) => `beta · largest score = ${whole.beta} · ${within(whole.top)} = ${whole.max.beta_score}`,
    exponential: (whole) => `exp(beta · largest score) = exp(${whole.max.beta_score}) = ${whole.max.exponential}`,
    shifted_exponential: () => "exp(beta · (max - max)) = exp(0) = 1",
    softmax: (whole) => `1 / sum of shifted exp = 1 / ${whole.sum.shifted_exponential} = ${whole.max.softmax}`,
    hardmax: () => "1 for the largest score",
  },
};

/** @param table of rows that scores_rows.js made. Returns tell(answer, state), to be called when numbers changed. */
export function formulas(table) {
  const line = $("#formula");
  const numbers = () => all("[data-step]", table);
  let pointed = null; // a cell
  let focused = null; // the cell that Tab comes to
  let answer = null;
  let state = null;

  function say() {
    const row = pointed?.closest("tr")?.row;
    if (!answer || !row || !pointed.isConnected) return write(line, HINT);
    const whole = { ...answer.text, beta: state.beta, count: answer.classes.toLocaleString("en"), top: state.score[answer.winner] };
    const step = pointed.dataset.step;
    const formula = row.name && typeof row.name === "string" ? OF_ALL[row.name][step](whole) : ofClass(row, step, whole);
    write(line, formula);
  }

  function ofClass(row, step, whole) {
    if (!row.text) return HINT;
    const own = { ...row.text, score: state.score[row.place], code: row.code };
    return `${row.called}: ${OF_A_CLASS[step](own, whole)}`;
  }

  // In an input or on a handle it is the softmax of the row that is of interest.
  const cellOf = (target) => target.closest("[data-step]") ?? target.closest("tr")?.row?.cells?.softmax ?? null;

  function point(event) {
    const cell = cellOf(event.target);
    if (cell === null || cell === pointed) return;
    pointed = cell;
    say();
  }

  function stop(cell) {
    if (focused === cell) return;
    focused?.removeAttribute("tabindex");
    focused?.removeAttribute("aria-describedby");
    focused = cell;
    focused.setAttribute("tabindex", "0");
    focused.setAttribute("aria-describedby", line.id);
  }

  table.addEventListener("pointerover", (event) => event.target.closest("[data-step]") && point(event));
  table.addEventListener("focusin", point);
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-step]");
    if (cell === null) return;
    stop(cell);
    cell.focus();
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target;
    if (!cell.dataset.step) return;
    const to = neighbour(cell, event.key);
    if (to === undefined) return;
    event.preventDefault();
    if (to === null) return;
    stop(to);
    to.focus();
  });

  return {
    tell(newAnswer, newState) {
      answer = newAnswer;
      state = newState;
      if (!focused?.isConnected) {
        const [first] = numbers();
        if (first) stop(first);
      }
      say();
    },
  };
}

/** The number next to `cell`; null at the edge, undefined for another key. */
function neighbour(cell, key) {
  const line = cell.parentElement;
  const along = [...line.children].filter((other) => other.dataset.step);
  const column = along.indexOf(cell);
  if (key === "ArrowRight") return along[column + 1] ?? null;
  if (key === "ArrowLeft") return along[column - 1] ?? null;
  if (key === "Home") return along[0];
  if (key === "End") return along.at(-1);
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const lines = [...line.closest("table").querySelectorAll("tbody tr, tfoot tr")];
  const step = key === "ArrowDown" ? 1 : -1;
  for (let at = lines.indexOf(line) + step; lines[at]; at += step) {
    const below = lines[at].querySelector(`[data-step="${cell.dataset.step}"]`);
    if (below) return below;
  }
  return null;
}
