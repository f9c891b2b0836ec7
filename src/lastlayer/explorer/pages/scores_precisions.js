// The same softmax in three precisions, side by side.

import { $, element, write } from "./explorer.js";

const DTYPES = ["float64", "float32", "float16"];
const COLUMNS = ["naive", "stable"];
const body = $("#precisions tbody");
const lines = [];

function makeLine() {
  const cells = DTYPES.flatMap(() => COLUMNS.map(() => element("td", { role: "cell" })));
  const name = element("th", { scope: "row", role: "rowheader", dir: "auto" });
  const line = element("tr", { role: "row" }, name, ...cells);
  body.append(line);
  return { line, name, cells };
}

/** `names` of the classes that are shown; the last of each list of texts is the sum over all. */
export function showPrecisions(precision, names) {
  $("#in-precisions").hidden = precision === null;
  if (precision === null) return;
  const rows = [...names, "sum", "sum of exp"];
  while (lines.length > rows.length) lines.pop().line.remove();
  while (lines.length < rows.length) lines.push(makeLine());
  for (const [at, name] of rows.entries()) {
    const { line, cells, name: heading } = lines[at];
    write(heading, name);
    line.classList.toggle("total", at >= names.length);
    DTYPES.forEach((dtype, group) => {
      COLUMNS.forEach((column, place) => {
        const target = cells[group * COLUMNS.length + place];
        const text = precision[dtype][column][at] ?? (column === "naive" ? precision[dtype].sum_of_exponentials : "");
        write(target, text);
        target.classList.toggle("lost", text === "inf" || text === "NaN");
      });
    });
  }
}
