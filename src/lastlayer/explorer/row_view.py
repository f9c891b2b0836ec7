"""One row of the data: its scores, what its features contribute to them, and its page among the scores."""

from typing import Any
from urllib.parse import urlencode

import numpy as np

from lastlayer.explanation import explain, short
from lastlayer.explorer.contributions import contributions
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined, required
from lastlayer.explorer.fields import Choice, Refused, Whole
from lastlayer.explorer.row_figures import scores_in_full
from lastlayer.explorer.row_texts import answers_of, cut, figure_texts, figure_values, labels_of, outcomes_of
from lastlayer.explorer.rows_copies import copies_of_row
from lastlayer.tables import InputError

_MOST_SCORES, _TOP, _MOST_FEATURES, _LONGEST_TEXT = 1000, 20, 15, 5000
_TIMES, _MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"


def place_of(examined: Examined, number: int) -> int | None:
    """Which of the examined rows has the number `number`; None if there is none."""
    if examined.numbers is None:
        return number if number < len(examined.features) else None
    place = int(np.searchsorted(examined.numbers, number))
    return place if place < len(examined.numbers) and examined.numbers[place] == number else None


def page_of_row(examined: Examined, number: int) -> str:
    """Path and query of the scores view with the scores of row `number`. Raises InputError if there is none."""
    place = place_of(examined, number)
    if place is None:
        raise InputError(f"--row {number}: {_no_row(examined)}.")
    return _address(examined, place, scores_in_full(examined.model, examined.features[place : place + 1])[0])


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    examined = required(examined)
    place = place_of(examined, state["row"])
    if place is None:
        raise Refused("row", f"received {state['row']}, but {_no_row(examined)}")
    row = np.array([place])
    scores = scores_in_full(examined.model, examined.features[place : place + 1])[0]
    explained = explain(scores, beta=float(examined.model.beta_), classes=examined.classes)
    ranked = np.argsort(-scores, kind="stable")
    label = -1 if examined.labels is None else int(examined.labels[place])
    shown = ranked if state["scores"] == "all" else ranked[:_TOP]
    if label >= 0 and label not in shown:
        shown = np.append(shown, label)
    rank = np.empty(len(ranked), np.int64)
    rank[ranked] = np.arange(1, len(ranked) + 1)
    values = figure_values(examined, row)
    texts = figure_texts(values)
    others = {name: examined.columns[name][place] for name in examined.columns.columns}
    return {
        "row": state["row"],
        "label": labels_of(examined, row)[0],
        "prediction": answers_of(examined, row)[0],
        "outcome": outcomes_of(examined, row)[0],
        **{name: column[0] for name, column in values.items()},
        "classes": [
            {
                "class": examined.classes[k],
                "rank": int(rank[k]),
                "score": float(scores[k]),
                "probability": float(explained.softmax[k]),
                "text": {"score": short(float(scores[k])), "probability": short(float(explained.softmax[k]))},
                "label": k == label,
            }
            for k in shown.tolist()
        ],
        "num_classes": len(scores),
        "contributions": _compared(examined, place, scores, ranked, label, state["against"]),
        "columns": [
            {"name": name, "value": cut(value, _LONGEST_TEXT)}
            for name, value in others.items()
            if name != examined.label_column
        ],
        "scores_page": f"/{_address(examined, place, scores)}",
        "text": {name: column[0] for name, column in texts.items()},
        **copies_of_row(examined, place, scores, label),
    }


def _compared(examined, place, scores, ranked, label, against):
    """What features contribute to the score of the leading class, beside that of another; None for one class alone."""
    if len(scores) < 2:
        return None
    first = int(ranked[0])
    second = label if against == "label" and label >= 0 and label != first else int(ranked[1])
    found = contributions(examined.model, examined.features[place], first, second, _MOST_FEATURES)
    features = [
        {
            "feature": examined.feature_names[feature],
            "value": value,
            "first": one,
            "second": two,
            "difference": one - two,
            "text": {
                "value": short(value),
                "first": short(one),
                "second": short(two),
                "difference": _signed(one - two),
                "formula": (
                    f"{short(value)} {_TIMES} ({short(weight_one)} {_MINUS} {_bracketed(weight_two)}) "
                    f"= {_signed(one - two)}"
                ),
            },
        }
        for feature, value, weight_one, weight_two, one, two in found.features
    ]
    return {
        "first": examined.classes[first],
        "second": examined.classes[second],
        "features": features,
        "rest": found.rest,
        "rest_of": found.rest_of,
        "intercept": found.intercept,
        "total": found.total,
        "text": {
            "rest": _signed(found.rest),
            "rest_of": f"{found.rest_of:,}",
            "intercept": _signed(found.intercept),
            "total": _signed(found.total),
        },
    }


def _signed(value):
    return f"+{short(value)}" if value > 0 else short(value)


def _bracketed(value):
    return f"({short(value)})" if value < 0 else short(value)


def _no_row(examined):
    if examined.numbers is None:
        return f"the rows are 0 to {len(examined.features) - 1}"
    return (
        f"that is none of the {len(examined.features):,} rows where {examined.where}, which are "
        f"{examined.numbers[0]} to {examined.numbers[-1]}"
    )


def _address(examined, place, scores):
    label = -1 if examined.labels is None else int(examined.labels[place])
    shown = np.arange(len(scores))
    if len(scores) > _MOST_SCORES:
        largest = np.argsort(-scores, kind="stable")[:_MOST_SCORES]
        shown = np.unique(np.append(largest, label) if label >= 0 else largest)
    query = [("class", examined.classes[k][:200]) for k in shown.tolist()]
    query += [("score", repr(float(scores[k]))) for k in shown.tolist()]
    query.append(("beta", repr(float(examined.model.beta_))))
    if label >= 0:
        query.append(("label", str(int(np.searchsorted(shown, label)))))
    return f"scores?{urlencode(query)}"


ROW = Endpoint(
    "row",
    "One row: its scores, and what its features contribute to them.",
    {
        "row": Whole(0, 1 << 31),
        "scores": Choice(("top", "all"), default="top"),
        "against": Choice(("second", "label"), default="second"),
    },
    _answer,
)
