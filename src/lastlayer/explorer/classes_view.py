"""The classes of the model, and what each is confused with."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined, required, required_labels
from lastlayer.explorer.fields import Choice, Flag, Refused, Text, Whole
from lastlayer.metrics.per_class import PerClass
from lastlayer.report.numbers_as_text import amount, decimals

_SORTS = ("recall", "precision", "f1", "rows", "confidence", "name")
# Classes of one answer, and confusions of one class.
_PAGE, _CONFUSIONS = 200, 30

_FIELDS = {
    "sort": Choice(_SORTS, default="recall"),
    "descending": Flag(),
    "offset": Whole(0, 10_000_000, default=0),
}


def _classes(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    table = _table(required(examined))
    order = _order(table, state["sort"], state["descending"])[state["offset"] :][:_PAGE]
    return {
        "found": len(table["name"]),
        "page": _PAGE,
        "classes": [_row(table, int(place)) for place in order],
    }


def _class(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    examined = required(examined)
    labels, answers = required_labels(examined), examined.figures.answer
    if state["name"] not in examined.classes:
        raise Refused("name", f"received {state['name']!r}, expected a class of the model")
    index = examined.classes.index(state["name"])
    return {
        **_row(_table(examined), index),
        "answered_instead": _confusions(examined, answers[(labels == index) & (answers != index)]),
        "mistaken_for_it": _confusions(examined, labels[(answers == index) & (labels != index)]),
    }


@lru_cache(maxsize=1)
def _table(examined: Examined) -> dict[str, Any]:
    """Columns (K,) by name, from the answers of the model's own rule; "don't know" is an answer of no class."""
    count, labels, answers = len(examined.classes), required_labels(examined), examined.figures.answer
    known = labels >= 0
    labels, answers, confidence = labels[known], answers[known], examined.figures.confidence[known]
    rows = np.bincount(labels, minlength=count)
    right = np.bincount(labels[answers == labels], minlength=count)
    per_class = PerClass.from_counts(right, np.bincount(answers[answers >= 0], minlength=count), rows)
    surely = np.bincount(labels, weights=confidence, minlength=count)
    return {
        "name": np.array(examined.classes, dtype=object),
        "rows": rows,
        "recall": per_class.recall,
        "precision": per_class.precision,
        "f1": per_class.f1,
        "confidence": np.divide(surely, rows, out=np.full(count, math.nan), where=rows > 0),
    }


def _order(table, sort, descending):
    """Places of the classes; what is undefined comes last, equals in the order of the classes."""
    values = table[sort]
    if sort == "name":
        places = np.array(sorted(range(len(values)), key=lambda place: values[place].casefold()), dtype=np.intp)
        return places[::-1] if descending else places
    values = values.astype(np.float64)
    return np.argsort(np.where(np.isnan(values), np.inf, -values if descending else values), kind="stable")


def _row(table, place):
    return {
        "name": table["name"][place],
        "rows": amount(int(table["rows"][place])),
        **{name: decimals(float(table[name][place])) for name in ("recall", "precision", "f1", "confidence")},
    }


def _confusions(examined, others):
    """Counts by class, the most frequent first; None is no class: a label that is none, or "don't know"."""
    counts = np.bincount(others + 1, minlength=len(examined.classes) + 1)
    order = np.argsort(-counts, kind="stable")[:_CONFUSIONS]
    return [
        {"name": None if place == 0 else examined.classes[place - 1], "rows": int(counts[place])}
        for place in order.tolist()
        if counts[place]
    ]


CLASSES = (
    Endpoint("classes", "Every class with its recall, precision and confidence.", _FIELDS, _classes),
    Endpoint("class", "One class, and what it is confused with in both directions.", {"name": Text(1000)}, _class),
)
