// smooth_max between its bounds, and the corner that it rounds; all points are the library's.

import { $, setAttributes, svg, write } from "./explorer.js";

const WIDTH = 340;
const HEIGHT = 210;
const LEFT = 8;
const RIGHT = 8;
const BOTTOM = 24;
const TOP = 8;

const corner = picture($("#corner"), ["start", "middle", "end"].map((anchor) => ({ y: HEIGHT - 6, "text-anchor": anchor })));
const closing = picture($("#closing"), [
  { x: LEFT, y: HEIGHT - 6, "text-anchor": "start" },
  { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" },
  { x: LEFT + 4, y: HEIGHT - BOTTOM - 6, "text-anchor": "start" },
  { x: LEFT + 4, y: TOP + 10, "text-anchor": "start" },
]);
const bar = $(".between-bounds i");

/** Axes, a dashed line, a curve, a point and words. */
function picture(chart, places) {
  const parts = {
    chart,
    axis: svg("path", { class: "axis" }),
    dashed: svg("polyline", { class: "ideal" }),
    curve: svg("polyline", { class: "curve" }),
    here: svg("circle", { class: "here", r: 5 }),
    words: places.map((place) => svg("text", place)),
  };
  chart.append(parts.axis, parts.dashed, parts.curve, parts.here, ...parts.words);
  return parts;
}

/** Draw on `parts` what `x` and `y` place; `point` null: nowhere to be seen. */
function draw(parts, { dashed, curve, point, x, y }) {
  const path = (list) => list.map(([a, b]) => `${x(a).toFixed(2)},${y(b).toFixed(2)}`).join(" ");
  setAttributes(parts.dashed, { points: path(dashed) });
  setAttributes(parts.curve, { points: path(curve) });
  parts.here.style.display = point === null ? "none" : "";
  if (point !== null) setAttributes(parts.here, { cx: x(point[0]).toFixed(2), cy: y(point[1]).toFixed(2) });
}

/** The bounds of smooth_max over `count` classes, its corner, and how it closes on the maximum. */
export function showSmooth(smooth, answer) {
  const { text, share } = smooth;
  const count = answer.classes.toLocaleString("en");
  write($("#smooth-least"), text.max);
  write($("#smooth-value"), text.smooth_max);
  write($("#smooth-most"), text.bound);
  write($("#smooth-note"), `${text.above} above the maximum, of at most ln ${count} / beta = ${text.most}.`);
  bar.style.left = `${100 * share}%`;
  showCorner(smooth);
  $("#closing-figure").hidden = answer.closing === null;
  if (answer.closing !== null) showClosing(answer.closing, text);
}

function showClosing({ most, above, here, least, largest, text }, texts) {
  const x = (power) => LEFT + ((WIDTH - LEFT - RIGHT) * (power - most[0][0])) / (most[1][0] - most[0][0]);
  const top = TOP + 16; // below the word
  const y = (power) => top + ((HEIGHT - BOTTOM - top) * (largest - power)) / (largest - least);
  draw(closing, { dashed: most, curve: above, point: here, x, y });
  setAttributes(closing.axis, { d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` });
  ["beta = 0.001", "10,000", text[0], text[1]].forEach((word, at) => write(closing.words[at], word));
  setAttributes(closing.chart, {
    "aria-label": `smooth_max less max against beta from 0.001 to 10,000, below ln K / beta. At this beta ${texts.above} of at most ${texts.most}.`,
  });
}

function showCorner({ text, reach, curve, row }) {
  const x = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * (value / reach + 1)) / 2;
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * value) / (1.1 * reach);
  const isSeen = row !== null && Math.abs(row[0]) <= reach;
  const dashed = [[-reach, 0], [0, 0], [reach, reach]];
  draw(corner, { dashed, curve, point: isSeen ? row : null, x, y });
  setAttributes(corner.axis, { d: `M${LEFT} ${y(0)}H${WIDTH - RIGHT}M${x(0)} ${y(0)}V${TOP}` });
  const places = [-reach, 0, reach];
  [`-${text.reach}`, "x = 0", text.reach].forEach((word, at) => {
    setAttributes(corner.words[at], { x: x(places[at]) });
    write(corner.words[at], word);
  });
  const where =
    row === null
      ? "No other class is possible: this row has no corner."
      : `This row stands at x = ${text.x}, its largest score less the smooth_max of the others${isSeen ? "" : ", outside the picture"}.`;
  write($("#corner-note"), where);
  setAttributes(corner.chart, { "aria-label": `smooth_max([x, 0]) over max(x, 0) from -${text.reach} to ${text.reach}. ${where}` });
}
