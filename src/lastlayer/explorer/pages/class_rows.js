// Rows in which the classes of a view are named, scored, added and removed; the cells between are the view's own.

import { element } from "./explorer.js";
import { decimals, edited, settle } from "./inputs.js";

// From here on rows out of sight are not laid out.
const MANY = 60;
const STEPS = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 };

/**
 * @param body the table's <tbody>.
 * @param add the button that adds a class.
 * @param view () => what `openView` gave.
 * @param own place => the cells between the score and the button that removes the class.
 * @param removed place => other fields of the state that change when a class is removed.
 * @param hint place => what is called where a row is pointed at, or holds the focus.
 */
export function classRows({ body, add, view, own, removed = () => ({}), hint }) {
  const set = (field, place, value, commit) => {
    const list = [...view().state[field]];
    list[place] = value;
    view().set({ [field]: list }, { commit });
  };

  function editor(field, place, attributes) {
    const input = element("input", { type: "text", "data-field": `${field}[${place}]`, autocomplete: "off", ...attributes });
    edited(input, (commit) => set(field, place, input.value, commit));
    return input;
  }

  function row(place) {
    let moved = false;
    const name = editor("class", place, { "aria-label": `name of class ${place}`, maxlength: 200, dir: "auto" });
    const score = editor("score", place, { "aria-label": `score of class ${place}`, inputmode: "decimal", class: "n" });
    score.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (step === undefined || !Number.isFinite(Number(score.value))) return;
      event.preventDefault();
      score.value = decimals(Number(score.value) + step, 6);
      moved = true;
      set("score", place, score.value, false);
    });
    for (const end of ["keyup", "blur"]) {
      score.addEventListener(end, () => {
        if (moved) set("score", place, score.value, true);
        moved = false;
      });
    }
    const remove = element("button", { type: "button", class: "remove", "aria-label": `remove class ${place}` }, "×");
    remove.addEventListener("click", () => {
      const { state } = view();
      view().set({
        class: state.class.toSpliced(place, 1),
        score: state.score.toSpliced(place, 1),
        ...removed(place),
      });
    });
    const cells = [element("td", { class: "name" }, name), element("td", {}, score), ...own(place), element("td", {}, remove)];
    for (const cell of cells) cell.setAttribute("role", "cell"); // a grid is no table to every browser
    const root = element("tr", { role: "row" }, ...cells);
    root.addEventListener("pointerenter", () => hint(place));
    root.addEventListener("focusin", () => hint(place));
    return { root, cells, name, score, remove };
  }

  add.addEventListener("click", () => {
    const { state } = view();
    const count = state.class.length;
    view().set({ class: [...state.class, `class ${count}`], score: [...state.score, "0"] });
  });

  const rows = []; // what a row consists of, since asking the table for its cells is slow

  /** As many rows as the answered state has classes, with what is newest in their boxes: {root, cells} of each. */
  return (answered) => {
    const count = answered.class.length;
    const newest = view().state.class.length === count ? view().state : answered;
    const hadFocus = body.contains(document.activeElement);
    while (rows.length > count) rows.pop().root.remove();
    if (rows.length < count) {
      const more = document.createDocumentFragment();
      while (rows.length < count) {
        rows.push(row(rows.length));
        more.append(rows.at(-1).root);
      }
      body.append(more);
    }
    body.classList.toggle("many", count > MANY);
    if (hadFocus && !body.contains(document.activeElement)) rows.at(-1).remove.focus();
    rows.forEach(({ name, score, remove }, place) => {
      settle(name, newest.class[place]);
      settle(score, newest.score[place]);
      if (remove.disabled !== (count === 1)) remove.disabled = count === 1;
    });
    return rows;
  };
}

/** Draw a bar over `share` of its room, from `from` on: as a background, which costs neither layout nor a layer. */
export function stretch(bar, share, from = 0) {
  const { style } = bar;
  const size = `${100 * share}% 100%`;
  const position = `${share < 1 ? (100 * from) / (1 - share) : 0}% 0`;
  if (style.backgroundSize !== size) style.backgroundSize = size;
  if (style.backgroundPosition !== position) style.backgroundPosition = position;
}

/** What a row is called in a sentence. */
export function nameOf(state, place) {
  const name = state.class[place].trim();
  return name.length > 40 ? `${name.slice(0, 39)}…` : name || `class ${place}`;
}
