// A column, or two, from a spreadsheet.

const isNumber = (text) => text !== "" && (/^-(inf|infinity)$/i.test(text) || Number.isFinite(Number(text)));

/**
 * What a spreadsheet put on the clipboard, as columns of texts.
 *
 * @param text lines of cells with tabs between.
 * @param into the field of the cell it is pasted into, "class" or "score".
 * @returns {class, score}, of which one may be null; null if it is a single cell, which the browser pastes itself.
 */
export function pasted(text, into) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n+$/, "").split("\n");
  const cells = lines.map((line) => line.split("\t").map((cell) => cell.trim().replace(/^\u2212/, "-")));
  if (cells.length === 1 && cells[0].length === 1) return null;
  const wide = Math.max(...cells.map((line) => line.length));
  if (wide === 1) {
    const column = cells.map((line) => line[0]);
    return { class: null, score: null, [into]: column };
  }
  const [first, second] = [0, 1].map((at) => cells.map((line) => line[at] ?? ""));
  // A heading is no number above numbers.
  const from = second.length > 1 && !isNumber(second[0]) && !isNumber(first[0]) ? 1 : 0;
  const [left, right] = [first.slice(from), second.slice(from)];
  const isSwapped = left.every(isNumber) && !right.every(isNumber);
  return isSwapped ? { class: right, score: left } : { class: left, score: right };
}

/** `state` with the columns written from `place` on; rows are added where they go beyond the last. */
export function withPasted(state, columns, place) {
  const names = [...state.class];
  const scores = [...state.score];
  const count = (columns.class ?? columns.score).length;
  for (let at = 0; at < count; at++) {
    const to = place + at;
    names[to] = columns.class?.[at] ?? names[to] ?? `class ${to}`;
    scores[to] = columns.score?.[at] ?? scores[to] ?? "0";
  }
  return { class: names, score: scores };
}
