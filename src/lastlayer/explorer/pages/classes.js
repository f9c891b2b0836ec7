// The classes of the model, and the confusions of one.

import { $, all, ask, element, problem, setAttributes, toQuery, write } from "./explorer.js";

const COLUMNS = ["name", "rows", "recall", "precision", "f1", "confidence"];
const HEADS = ["class", "rows", "recall", "precision", "F1", "mean confidence"];
export const CLASSES_DEFAULTS = { class: "", classes_sort: "recall", classes_down: "0", classes_from: "0" };

/** Connect the section to the view that holds the state; returns show(state), which asks and writes. */
export function connectClasses(view, rowsAddress) {
  let asked = "";
  let opened = "";
  const head = $("#class-list thead tr");
  COLUMNS.forEach((name, column) => {
    const button = element("button", { type: "button" }, HEADS[column]);
    button.addEventListener("click", () => {
      const again = view.state.classes_sort === name && view.state.classes_down === "0";
      view.set({ classes_sort: name, classes_down: again ? "1" : "0", classes_from: "0" });
    });
    head.append(element("th", { scope: "col", class: column === 0 ? "t" : "n" }, button));
  });
  const move = (by) => view.set({ classes_from: String(Math.max(0, Number(view.state.classes_from) + by)) });
  $("#classes-back").addEventListener("click", () => move(-200));
  $("#classes-on").addEventListener("click", () => move(200));
  $("#class-close").addEventListener("click", () => view.set({ class: "" }));

  async function showList(state) {
    const question = { sort: state.classes_sort, descending: state.classes_down, offset: state.classes_from };
    const key = JSON.stringify(question);
    if (key === asked) {
      // The rest of the state is another.
      for (const link of all("#class-list tbody a")) setAttributes(link, { href: addressOf(link.text, state) });
      return;
    }
    const [ok, answer] = await ask("classes", question);
    if (!ok) return refuse(answer);
    asked = key;
    all("th", head).forEach((cell, column) => {
      const sorted = COLUMNS[column] === state.classes_sort;
      setAttributes(cell, { "aria-sort": sorted ? (state.classes_down === "1" ? "descending" : "ascending") : "none" });
    });
    $("#class-list tbody").replaceChildren(...answer.classes.map((entry) => listed(entry, state)));
    const from = Number(state.classes_from);
    write($("#classes-of"), `${from + 1} to ${from + answer.classes.length} of ${answer.found}`);
    $(".pages", $("#classes")).hidden = answer.found <= answer.page;
    $("#classes-back").disabled = from === 0;
    $("#classes-on").disabled = from + answer.page >= answer.found;
  }

  const addressOf = (name, state) => `?${toQuery({ ...state, class: name })}`;

  function listed(entry, state) {
    const link = element("a", { href: addressOf(entry.name, state) }, entry.name);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      view.set({ class: entry.name });
    });
    const cells = COLUMNS.slice(1).map((name) => element("td", {}, entry[name]));
    return element("tr", {}, element("th", { scope: "row" }, link), ...cells);
  }

  async function showOne(state) {
    const card = $("#class-card");
    if (state.class === "") {
      card.hidden = true;
      opened = "";
      return;
    }
    if (state.class === opened) return;
    const [ok, answer] = await ask("class", { name: state.class });
    if (!ok) {
      card.hidden = true;
      opened = "";
      return refuse(answer);
    }
    opened = state.class;
    write($("h3", card), answer.name);
    const figures = ["recall", "precision", "f1"].map((name) => `${name === "f1" ? "F1" : name} ${answer[name]}`);
    write($("p", card), `${answer.rows} rows; ${figures.join(", ")}; mean confidence ${answer.confidence}`);
    const own = answer.name;
    list("#instead", answer.answered_instead, "don't know", (other) =>
      other === null ? { label: own, outcome: "unknown" } : { label: own, prediction: other },
    );
    list("#mistaken", answer.mistaken_for_it, "a label that is no class", (other) =>
      other === null ? null : { label: other, prediction: own },
    );
    card.hidden = false;
    card.scrollIntoView({ block: "nearest" });
  }

  function list(place, entries, nameless, filterOf) {
    const rows = entries.map(({ name, rows }) => {
      const filter = filterOf(name);
      const told = `${rows} ${rows === 1 ? "row" : "rows"}: ${name ?? nameless}`;
      const count =
        filter === null ? element("span", { class: "count" }, rows) : element("a", { href: rowsAddress(filter), "aria-label": told }, rows);
      return element("li", {}, count, element("span", {}, name ?? nameless));
    });
    $(place).replaceChildren(...(rows.length ? rows : [element("li", {}, "none")]));
  }

  function refuse(answer) {
    // Without labels there is nothing to say of classes.
    if (answer.field === "labels") $("#classes").hidden = true;
    else problem(answer);
  }

  return async function show(state) {
    await showList(state);
    await showOne(state);
  };
}
