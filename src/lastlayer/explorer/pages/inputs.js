// Inputs: what of an edit or a drag goes on and what ends it, and boxes that keep what is being typed.

import { opened, setAttributes } from "./explorer.js";

/** Let `input` tell `change(commit)`: false while it is edited, true once the edit ends. */
export function edited(input, change) {
  input.addEventListener("input", () => change(false));
  input.addEventListener("change", () => change(true));
}

/** Write `text` into a box that holds another one, so that what is typed keeps its cursor. */
export function settle(input, text) {
  if (input.value !== text) input.value = text;
}

/** The same, unless the box has the focus: a state may be older than what is being typed, but not one gone back to. */
export function settleUnlessFocused(input, text) {
  if (opened?.restored || document.activeElement !== input) settle(input, text);
}

/**
 * Make `target` a slider for pointer and keys.
 *
 * @param range () => {least, most, step, page}; asked at every event.
 * @param value () => number.
 * @param at (event) => the value under the pointer.
 * @param input (value, commit) => void; `commit` is true at the end of a drag and when a key is let go.
 */
export function slider(target, { range, value, at, input, vertical = false }) {
  setAttributes(target, { role: "slider", tabindex: 0, "aria-orientation": vertical ? "vertical" : "horizontal" });
  const clamp = (number) => {
    const { least, most } = range();
    return Math.min(most, Math.max(least, number));
  };
  let moved = false;
  const drag = (event) => input(clamp(at(event)), false);
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    target.setPointerCapture(event.pointerId);
    target.focus();
    drag(event);
    target.addEventListener("pointermove", drag);
    target.addEventListener(
      "lostpointercapture",
      () => {
        target.removeEventListener("pointermove", drag);
        input(value(), true);
      },
      { once: true },
    );
  });
  target.addEventListener("keydown", (event) => {
    const { least, most, step, page = 10 * step } = range();
    const to = {
      ArrowUp: value() + step,
      ArrowRight: value() + step,
      ArrowDown: value() - step,
      ArrowLeft: value() - step,
      PageUp: value() + page,
      PageDown: value() - page,
      Home: least,
      End: most,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moved = true;
    input(clamp(to), false);
  });
  for (const end of ["keyup", "blur"]) {
    target.addEventListener(end, () => {
      if (!moved) return;
      moved = false;
      input(value(), true);
    });
  }
}

/** Let an <input type=range> tell `input(commit)`: a drag, or a key that is held, commits once. */
export function range(target, input) {
  let held = false;
  target.addEventListener("input", () => input(false));
  target.addEventListener("change", () => held || input(true));
  target.addEventListener("keydown", () => (held = true));
  for (const end of ["keyup", "blur"]) {
    target.addEventListener(end, () => {
      if (held) input(true);
      held = false;
    });
  }
}

/** What a screen reader hears of a slider. */
export function tellSlider(target, { least, most, value, text, label }) {
  setAttributes(target, {
    "aria-valuemin": least,
    "aria-valuemax": most,
    "aria-valuenow": value,
    "aria-valuetext": text,
    "aria-label": label,
  });
}

/** A number as a state holds it: no more digits than a drag has. */
export const decimals = (number, digits = 3) => String(Number(number.toFixed(digits)));

/** Ten to the power at which an <input type=range> stands, as a state holds it. */
export const powerOfTen = (target) => String(Number((10 ** Number(target.value)).toPrecision(3)));
