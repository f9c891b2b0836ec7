// Predict, then see: a question about what the page shows, which the library answers.

import { $, all, ask, element, opened, write } from "./explorer.js";

// What a question may be about, by view; the rest of a state is the page's own.
const FIELDS = {
  scores: ["class", "score", "beta"],
  labels: ["class", "score", "threshold"],
  loss: ["class", "score", "label", "smoothing"],
};
const view = location.pathname.slice(1);
const form = $("#question");
const choices = $("#options");
let question = null;
let answered = null; // the number of the question whose answer stands
let asking = 0;

const number = () => [opened.state.quiz ?? ""].flat()[0] ?? "";

async function refresh() {
  const quiz = number();
  $("#quiz-on").checked = quiz !== "";
  form.hidden = quiz === "";
  if (quiz === "" || quiz === answered) return;
  const state = { view, quiz };
  for (const field of FIELDS[view]) state[field] = opened.state[field];
  const turn = ++asking;
  let ok;
  let answer;
  try {
    [ok, answer] = await ask("quiz", state);
  } catch {
    return; // the view says that nobody answers
  }
  if (turn !== asking || quiz === answered) return;
  // A state that is refused is refused to the view too, but for the number of the question.
  if (!ok) {
    if (answer.field === "quiz") pose({ asked: answer.error, options: [] }, quiz);
    return;
  }
  pose(answer, quiz);
}

function pose(newest, quiz) {
  const isSame = question?.quiz === quiz && JSON.stringify(newest) === JSON.stringify(question.answer);
  form.dataset.settled = quiz;
  if (isSame && answered === null) return;
  answered = null;
  question = { answer: newest, quiz };
  write($("#asked"), newest.asked);
  choices.replaceChildren(
    ...newest.options.map((option, place) =>
      element("label", {}, element("input", { type: "radio", name: "choice", value: place }), element("span", {}, option)),
    ),
  );
  write($("#verdict"), "");
  $("#answer").hidden = newest.options.length === 0;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (question === null || answered !== null) return;
  const chosen = $("input:checked", choices);
  if (chosen === null) {
    write($("#verdict"), "Choose an answer first.");
    return;
  }
  answered = question.quiz;
  const { right, numbers, why } = question.answer;
  write($("#verdict"), `${Number(chosen.value) === right ? "Yes." : "No."} ${numbers} ${why}`);
  choices.children[right].classList.add("right");
  for (const choice of all("input", choices)) choice.disabled = true;
  $("#next").focus();
  $("#answer").hidden = true;
});

$("#next").addEventListener("click", () => {
  opened.set({ quiz: String((Number(number()) || 0) + 1) });
  choices.parentElement.tabIndex = -1;
  choices.parentElement.focus();
});
// An empty list leaves the field out of the address.
$("#quiz-on").addEventListener("change", (event) => opened.set({ quiz: event.target.checked ? "1" : [] }));
// A preset is another state, not the end of the quiz.
for (const preset of all(".presets a")) {
  preset.addEventListener("click", () => {
    const address = new URL(preset.href);
    if (number() === "") address.searchParams.delete("quiz");
    else address.searchParams.set("quiz", number());
    preset.href = address.href;
  });
}
document.addEventListener("shown", refresh);
refresh();
