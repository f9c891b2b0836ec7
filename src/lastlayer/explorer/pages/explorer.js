// What every view shares: its state in the address, questions to the library, elements, copying.

export const $ = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** An element with attributes and children; `null` attributes are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** The same in SVG. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

export function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) target.removeAttribute(name);
    else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
  }
}

/** Write `text` where it stands, and touch nothing where it stands already. */
export function write(target, text) {
  if (target.firstChild === null || target.firstChild !== target.lastChild || target.firstChild.nodeType !== 3) {
    target.textContent = text;
  } else if (target.firstChild.data !== text) {
    target.firstChild.data = text;
  }
}

/** Ask the library; resolves to [ok, answer]. */
export async function ask(endpoint, state) {
  const response = await fetch(`/api/${endpoint}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(state),
  });
  return [response.ok, await response.json()];
}

/** The view of this page. */
export let opened = null;

/**
 * A view: an object of texts and lists of texts, which the address holds and the library is asked about.
 *
 * A drag or an edit is one step of the history, however long it takes: it opens with the first change that is not
 * committed and ends with the one that is.
 *
 * @param endpoint whom to ask.
 * @param defaults the state of a bare address; a field whose default is a list is a list.
 * @param show (answer, state) => void, called with the newest answer; after it the numbers stand on the page.
 * @param refused (answer, state) => void, called where there are no numbers; the sentence stands on the page already.
 * @param asked state => what to send; by default all of the state.
 */
export function openView({ endpoint, defaults, show, refused = () => {}, asked = (state) => state }) {
  let state = fromAddress(defaults);
  let running = false;
  let stale = false;
  let open = false;
  let restored = false;
  let stepped = false;
  let ending = false; // of a step of the history, which the address has still to take
  let later = 0;
  let shown = null; // the newest answer
  let answered = null; // and its question
  const root = document.documentElement;

  async function refresh() {
    if (running) {
      stale = true;
      return;
    }
    running = true;
    root.dataset.settled = "false";
    do {
      stale = false;
      try {
        const now = state;
        const { quiz: _, ...sent } = asked(now); // the quiz is the page's own
        const question = JSON.stringify(sent);
        // Of a state that is the page's own, such as another view of the same answer, the library has nothing to say.
        const [ok, answer] = question === answered && shown !== null ? [true, shown] : await ask(endpoint, sent);
        answered = question;
        if (stale && !ok) continue;
        problem(ok ? null : answer);
        shown = ok ? answer : null;
        await (ok ? show : refused)(answer, now);
      } catch (error) {
        problem({ error: "The explorer does not answer: is `lastlayer explore` still running?" });
        console.warn(error);
      }
    } while (stale);
    running = false;
    root.dataset.settled = "true";
    document.dispatchEvent(new Event("shown"));
  }

  function keep() {
    clearTimeout(later);
    const address = `${location.pathname}?${toQuery(state)}`;
    if (address === location.pathname + location.search) return;
    if (stepped) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    stepped = true;
  }

  function close() {
    clearTimeout(later);
    open = stepped = false;
    ending = false;
    root.dataset.kept = "true";
  }

  // The browser takes its time over a long address: it follows when the numbers have been painted.
  function end() {
    open = false;
    ending = true;
    root.dataset.kept = "false";
    clearTimeout(later);
    later = setTimeout(afterPaint, 0);
  }

  function afterPaint() {
    if (running) later = setTimeout(afterPaint, 10);
    else requestAnimationFrame(() => ending && (later = setTimeout(flush, 0)));
  }

  function flush() {
    if (!ending) return;
    keep();
    close();
  }

  addEventListener("popstate", () => {
    close();
    restored = true;
    state = fromAddress(defaults);
    refresh();
  });
  addEventListener("pagehide", () => {
    flush();
    if (open) keep();
  });

  const view = {
    get state() {
      return state;
    },
    /** Whether a drag or an edit is under way. */
    get open() {
      return open;
    },
    /** Whether the state came back with the history, and not from a box that holds it already. */
    get restored() {
      return restored;
    },
    /** Change fields; `commit` ends a step of the history, otherwise (while dragging, typing) it goes on. */
    set(fields, { commit = true } = {}) {
      flush();
      const isSame = Object.entries(fields).every(([name, value]) => equal(state[name], value));
      state = { ...state, ...fields };
      restored = false;
      clearTimeout(later);
      if (commit) {
        end();
      } else {
        open = true;
        later = setTimeout(keep, 400);
      }
      // The end of a gesture changes nothing but what may move again.
      if (!isSame) refresh();
      else if (commit && !running && shown !== null) show(shown, state);
    },
    /** Take the state of an address of this page, as one step of the history. */
    go(address) {
      close();
      view.set(fromAddress(defaults, new URL(address).search));
    },
    refresh,
  };
  opened = view;
  copying(() => location.origin + location.pathname + "?" + toQuery(state));
  refresh();
  return view;
}

const equal = (one, other) =>
  one === other || (Array.isArray(one) && one.length === other.length && one.every((entry, at) => entry === other[at]));

function fromAddress(defaults, search = location.search) {
  const query = new URLSearchParams(search);
  const state = {};
  for (const [name, value] of Object.entries(defaults)) {
    if (Array.isArray(value)) state[name] = query.has(name) ? query.getAll(name) : value;
    else state[name] = query.get(name) ?? value;
  }
  // Unknown fields are for the library to refuse.
  for (const name of query.keys()) if (!(name in state)) state[name] = query.get(name);
  return state;
}

export function toQuery(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    for (const entry of [value].flat()) query.append(name, entry);
  }
  return query.toString();
}

/** Say what is wrong where it can be seen, and mark the field; null: nothing is. */
export function problem(answer) {
  const line = $("#problem");
  line.hidden = answer === null;
  write(line, answer === null ? "" : answer.error);
  document.body.classList.toggle("stale", answer !== null);
  for (const marked of all("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  const field = answer?.field && $(`[data-field="${CSS.escape(answer.field)}"]`);
  if (field) setAttributes(field, { "aria-invalid": "true", "aria-errormessage": "problem" });
}

let copies = {};

/** What "copy as Python" and "copy as command" give; an answer's `python` and `command`. */
export function offerCopies({ python, command }) {
  if (python !== copies.python) $("#copy").hidden = true; // what stands there is of another state
  copies = { python, command };
  $("[data-copy=command]").hidden = !command; // not everything has one
}

function copying(link) {
  for (const button of all("[data-copy]")) {
    const text = () => (button.dataset.copy === "link" ? link() : copies[button.dataset.copy]);
    copiesWith(button, { text, said: $("#copied"), block: $("#copy") });
  }
}

/** Let `button` copy text(), tell it in `said`, and show the text in `block`, a <pre>. */
export function copiesWith(button, { text, said, block }) {
  button.addEventListener("click", async () => {
    const copied = text();
    try {
      await navigator.clipboard.writeText(copied);
      write(said, `${button.dataset.name} copied`);
    } catch {
      write(said, "The browser does not let this page copy; here it is:");
    }
    block.hidden = false;
    write($("code", block), copied);
  });
}
