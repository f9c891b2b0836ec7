"""What "copy as Python" and "copy as command" give of the rows: they run as they stand and give the shown numbers."""

import shlex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision import gives_sets
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.row_search import lower_case
from lastlayer.explorer.row_texts import text_columns
from lastlayer.explorer.rows_in_python import labels_in_python, reading_in_python, scores_in_python
from lastlayer.explorer.score_copies import explain_command

_FIGURES = {
    "confidence": 'abstention_score(probabilities, "max_probability")',
    "margin": 'abstention_score(probabilities, "margin")',
    "entropy": "ll.soft_cross_entropy(logits, probabilities)",
}


def copies_of_rows(examined: Examined, state: dict[str, Any], sort: str, order: str) -> dict[str, str]:
    """Of a page of rows: the figures of all rows, and the numbers of those that are shown, `rows`."""
    lines = [*reading_in_python(examined, others=True)]
    lines += scores_in_python(examined)
    lines += ["logits = model.beta_ * scores", "probabilities = ll.softmax(logits)"]
    lines += [f"{name} = {formula}" for name, formula in _FIGURES.items()]
    sets = gives_sets(examined.model.decision_)
    lines.append(f"answers = {'probabilities.argmax(axis=1)' if sets else 'model.decision_.apply(probabilities)'}")
    if examined.labels is not None:
        lines += [
            *labels_in_python(examined),
            "loss = np.where(labels < 0, np.nan, ll.cross_entropy(logits, labels, ignore_index=-1))",
        ]
    lines += _kept(examined, state)
    key = "np.arange(len(frame))" if sort == "row" else sort
    lines.append(f'order = np.argsort({"-" if order == "descending" else ""}{key}, kind="stable")')
    end = state["offset"] + state["count"]
    lines.append(f"rows = order[kept[order]][{state['offset']}:{end}]")
    label = [] if examined.label_column is None else ["--keep", examined.label_column]
    words = ["lastlayer", "predict", examined.model_path, *examined.data_paths, *table_options(examined)]
    words += ["--top", "1", *label]
    return {"python": "\n".join(lines) + "\n", "command": shlex.join(words)}


def copies_of_row(examined: Examined, place: int, scores: NDArray[np.float64], label: int) -> dict[str, str]:
    """Of one row: its scores and probabilities, and its loss if it has a label."""
    lines = [
        *reading_in_python(examined, others=False),
        f"row = {place}",
        "scores = model.decision_function(features[[row]])[0]",
    ]
    if len(examined.classes) == 2:
        lines += ["scores = np.array([0.0, scores])"]
    lines += ["probabilities = ll.softmax(scores, beta=model.beta_)"]
    if label >= 0:
        lines += [f"loss = ll.cross_entropy(model.beta_ * scores, {label})"]
    command = explain_command(
        scores.tolist(), examined.classes, beta=float(examined.model.beta_), label=label if label >= 0 else None
    )
    return {"python": "\n".join(lines) + "\n", "command": command}


def table_options(examined: Examined) -> list[str]:
    """The options with which a command reads the same rows."""
    options = (("--where", examined.where), ("--format", examined.format))
    return [word for name, value in options if value is not None for word in (name, value)]


def _kept(examined, state):
    """Lines that make `kept`, a truth value for each row."""
    yield "kept = np.full(len(frame), True)"
    if state["label"]:
        yield f"kept &= np.isin(names, {state['label']!r})"
    if state["prediction"]:
        known = {name: k for k, name in enumerate(examined.classes)}
        yield f"kept &= np.isin(answers, {[known[name] for name in state['prediction']]!r})"
    if state["outcome"] == "unknown":
        yield "kept &= answers < 0"
    elif state["outcome"]:
        yield f"kept &= (answers >= 0) & (answers {'==' if state['outcome'] == 'right' else '!='} labels)"
    if state["text"]:
        searched = [state["column"]] if state["column"] else text_columns(examined, label=True)
        yield f"text = frame.select(pl.col({searched!r}).cast(pl.String).str.to_lowercase())"
        yield f"wanted = {lower_case(state['text'])!r}"
        yield "holds = [column.str.contains(wanted, literal=True).fill_null(False) for column in text]"
        yield "kept &= np.any(holds, axis=0)"
