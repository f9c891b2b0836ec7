// Another beta or rule, and what it does to the answers on all rows.

import { $, all, ask, copiesWith, element, problem, setAttributes, svg, write } from "./explorer.js";
import { edited, powerOfTen, range, settleUnlessFocused } from "./inputs.js";

const FIELDS = ["beta", "rule", "by", "threshold"];
export const EFFECT_DEFAULTS = { beta: "", rule: "model", by: "max_probability", threshold: "0.5" };

const WIDTH = 320;
const HEIGHT = 250;
const LEFT = 36;
const BOTTOM = 36;

/** Connect the section to the view that holds the state; returns show(state), which asks and writes. */
export function connectEffect(view) {
  const inputs = Object.fromEntries(FIELDS.map((name) => [name, $(`#effect-${name}`)]));
  const betaSlider = $("#effect-beta-slider");
  const thresholdSlider = $("#effect-threshold-slider");
  let asked = "";
  let copies = {};
  for (const kind of ["python", "command"]) {
    copiesWith($(`#effect-${kind}`), { text: () => copies[kind], said: $("#effect-copied"), block: $("#effect-copy") });
  }
  for (const name of ["beta", "threshold"]) edited(inputs[name], (commit) => view.set({ [name]: inputs[name].value }, { commit }));
  for (const name of ["rule", "by"]) inputs[name].addEventListener("change", () => view.set({ [name]: inputs[name].value }));
  range(betaSlider, (commit) => view.set({ beta: powerOfTen(betaSlider) }, { commit }));
  range(thresholdSlider, (commit) => view.set({ threshold: thresholdSlider.value }, { commit }));

  return async function show(state) {
    const question = Object.fromEntries(FIELDS.map((name) => [name, state[name]]));
    const key = JSON.stringify(question);
    const isNew = key !== asked;
    const [ok, answer] = isNew ? await ask("effect", question) : [true, copies];
    if (!ok) return problem(answer);
    asked = key;
    copies = answer;
    // After a refusal the boxes hold other than what is shown, though the figures stand.
    settleUnlessFocused(inputs.beta, state.beta === "" ? String(answer.beta) : state.beta);
    settleUnlessFocused(inputs.threshold, state.threshold);
    inputs.rule.value = state.rule;
    inputs.by.value = state.by;
    settleUnlessFocused(betaSlider, String(Math.log10(answer.beta)));
    settleUnlessFocused(thresholdSlider, state.threshold);
    setAttributes(betaSlider, { "aria-valuetext": `beta ${answer.beta}` });
    for (const part of all("[data-abstains]")) part.hidden = state.rule !== "abstain";
    for (const part of all("[data-labelled]", $("#effect"))) part.hidden = !answer.labelled;
    if (!isNew) return;
    write($("#effect-rule-words"), `The answer here: ${answer.rule}.`);
    showFigures(answer.figures);
    if (answer.labelled) {
      showReliability(answer.reliability);
      showRisk(answer.risk, answer.point);
    }
  };
}

function showFigures(figures) {
  const body = $("#effect-figures tbody");
  while (body.rows.length > figures.length) body.lastElementChild.remove();
  while (body.rows.length < figures.length) {
    const name = element("th", { scope: "row" }, element("span"), element("small"));
    body.append(element("tr", {}, name, element("td"), element("td")));
  }
  figures.forEach((figure, place) => {
    const [name, before, after] = body.rows[place].cells;
    write(name.firstChild, figure.name);
    write(name.lastChild, figure.about);
    write(before, figure.before);
    write(after, figure.after);
    after.classList.toggle("moved", figure.before !== figure.after);
  });
}

const across = (share) => LEFT + share * (WIDTH - LEFT - 8);
const upward = (share, least = 0) => HEIGHT - BOTTOM - ((share - least) / (1 - least)) * (HEIGHT - BOTTOM - 8);

function axes(chart, xLabel, least) {
  const parts = [];
  for (let tick = 0; tick <= 4; tick++) {
    const share = least + (tick / 4) * (1 - least);
    const y = upward(share, least);
    parts.push(svg("path", { class: "grid", d: `M${LEFT} ${y}H${WIDTH - 8}` }));
    parts.push(svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, String(Number(share.toFixed(3)))));
    const x = across(tick / 4);
    parts.push(svg("text", { x, y: HEIGHT - BOTTOM + 16, "text-anchor": tick === 4 ? "end" : "middle" }, (tick / 4).toFixed(2)));
  }
  parts.push(svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xLabel));
  chart.replaceChildren(...parts);
}

function showReliability({ before, after }) {
  const chart = $("#effect-reliability");
  axes(chart, "confidence", 0);
  chart.append(svg("path", { class: "ideal", d: `M${across(0)} ${upward(0)}L${across(1)} ${upward(1)}` }));
  for (const [points, kind] of [
    [before, "before"],
    [after, "after"],
  ]) {
    const line = points.map(([x, y]) => `${across(x)},${upward(y)}`).join(" ");
    const marks = points.map(([x, y]) =>
      kind === "after"
        ? svg("circle", { cx: across(x), cy: upward(y), r: 3.5 })
        : svg("rect", { x: across(x) - 2.5, y: upward(y) - 2.5, width: 5, height: 5 }),
    );
    chart.append(svg("g", { class: kind }, svg("polyline", { points: line }), ...marks));
  }
}

function showRisk(curve, point) {
  const chart = $("#effect-risk");
  const lowest = Math.min(...curve.map(([, accuracy]) => accuracy), point?.[1] ?? 1);
  const least = Math.min(0.95, Math.floor(lowest * 20) / 20);
  axes(chart, "share that is answered", least);
  chart.append(svg("polyline", { class: "curve", points: curve.map(([x, y]) => `${across(x)},${upward(y, least)}`).join(" ") }));
  if (point !== null) chart.append(svg("circle", { class: "here", cx: across(point[0]), cy: upward(point[1], least), r: 5 }));
}
