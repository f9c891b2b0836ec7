// Losses against p as curves, and a point on them that is taken along.

import { setAttributes, svg } from "./explorer.js";
import { slider, tellSlider } from "./inputs.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [34, 448, 12, 264];
const MOST = 7; // nats; -log p of 0.0009

const across = (p) => LEFT + (RIGHT - LEFT) * p;
// What is above the chart stays at its edge.
const up = (loss) => BOTTOM - ((BOTTOM - TOP) * Math.min(MOST, loss)) / MOST;
const infinite = (number) => (number === "Infinity" ? Infinity : number);

/**
 * @param root the <svg>.
 * @param move (place, commit) => void; the point is taken to the place of the curve's points.
 * @returns (answer, isNewest) => void, which draws; an answer to an older state does not take the point back.
 */
export function lossChart(root, move) {
  const smoothed = svg("path", { class: "smoothed" });
  const loss = svg("path", { class: "curve" });
  const likelihood = svg("path", { class: "likelihood" });
  const drop = svg("path", { class: "drop" });
  const other = svg("circle", { class: "other", r: 4 });
  const here = svg("circle", { class: "here", r: 7 });
  const grab = svg("g", { class: "grab" }, svg("rect", { x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }), drop, other, here);
  root.append(...axes(), smoothed, likelihood, loss, grab);
  let curve = null;
  let p = 0;

  slider(grab, {
    range: () => ({ least: curve.p[0], most: curve.p.at(-1), step: 0.01, page: 0.1 }),
    value: () => p,
    at: (event) => {
      const box = root.getBoundingClientRect();
      return ((event.clientX - box.left) * (460 / box.width) - LEFT) / (RIGHT - LEFT);
    },
    input: (value, commit) => {
      if (curve.score === null) return;
      const place = nearest(curve.p, value);
      p = curve.p[place];
      move(place, commit);
    },
  });

  return ({ curve: newest, point, text }, isNewest) => {
    curve = newest;
    if (isNewest) p = point.p;
    setAttributes(loss, { d: path(curve.p, curve.loss) });
    setAttributes(likelihood, { d: path(curve.p, curve.likelihood) });
    setAttributes(smoothed, { d: curve.smoothed ? path(curve.p, curve.smoothed) : "" });
    const [x, y] = [across(point.p), up(infinite(point.loss))];
    setAttributes(here, { cx: x, cy: y });
    setAttributes(other, { cx: x, cy: up(point.likelihood) });
    setAttributes(drop, { d: `M${x} ${y}V${BOTTOM}` });
    setAttributes(grab, { "aria-disabled": curve.score === null ? "true" : null });
    tellSlider(grab, {
      least: 0,
      most: 1,
      value: point.p,
      text: `p ${text.point.p}, −log p ${text.point.loss}, 1 - p ${text.point.likelihood}`,
      label: `probability of ${text.label}`,
    });
  };
}

function path(p, losses) {
  return `M${p.map((at, place) => `${across(at).toFixed(1)} ${up(losses[place]).toFixed(1)}`).join("L")}`;
}

/** The place of the entry next to `value` in a rising list. */
function nearest(list, value) {
  let place = 0;
  while (place + 1 < list.length && Math.abs(list[place + 1] - value) <= Math.abs(list[place] - value)) place++;
  return place;
}

function axes() {
  const made = [];
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    made.push(svg("text", { x: across(p), y: BOTTOM + 18, "text-anchor": "middle" }, String(p)));
  }
  for (let loss = 0; loss <= MOST; loss++) {
    made.push(svg("path", { class: loss ? "grid" : "axis", d: `M${LEFT} ${up(loss)}H${RIGHT}` }));
    made.push(svg("text", { x: LEFT - 8, y: up(loss) + 4, "text-anchor": "end" }, String(loss)));
  }
  made.push(svg("text", { x: RIGHT, y: BOTTOM + 34, "text-anchor": "end" }, "p"));
  made.push(svg("text", { x: LEFT + 6, y: TOP - 2 }, "loss"));
  return made;
}
