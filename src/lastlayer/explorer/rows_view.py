"""The rows of the data, a page at a time: the worst first, or those that are looked for."""

from functools import lru_cache
from typing import Any

from lastlayer.decision import gives_sets, rule_in_words
from lastlayer.decision.head_rules import is_default
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined, required
from lastlayer.explorer.fields import Whole
from lastlayer.explorer.row_search import FIELDS, search_of
from lastlayer.explorer.row_texts import (
    answers_of,
    cells,
    figure_texts,
    figure_values,
    labels_of,
    numbers_of,
    outcomes_of,
    text_columns,
)
from lastlayer.explorer.row_view import ROW
from lastlayer.explorer.rows_copies import copies_of_rows

_MOST_COLUMNS, _LONGEST_TEXT = 2, 300
_MOST_NAMES = 2000


def _rows(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    examined = required(examined)
    search = search_of(examined)
    sort, order = search.sort_of(state)
    found = search.find(state)
    page = found[state["offset"] : state["offset"] + state["count"]]
    values = figure_values(examined, page)
    return {
        "found": len(found),
        "of": len(examined.features),
        "sort": sort,
        "order": order,
        "row": numbers_of(examined, page),
        "label": labels_of(examined, page),
        "prediction": answers_of(examined, page),
        "outcome": outcomes_of(examined, page),
        **values,
        "cells": cells(examined, page, _shown_columns(examined), _LONGEST_TEXT),
        "text": {"found": f"{len(found):,}", "of": f"{len(examined.features):,}", **figure_texts(values)},
        **copies_of_rows(examined, state, sort, order),
    }


def _model(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    examined = required(examined)
    model = examined.model
    rule = "the most probable class"
    if not is_default(model.decision_, many_labels=False):
        rule = rule_in_words(model.decision_)
        if gives_sets(model.decision_):
            rule = f"{rule}; the rows below show the most probable class"
    return {
        "model": examined.model_path,
        "data": list(examined.data_paths),
        "where": examined.where,
        "beta": model.beta_,
        "rule": rule,
        "labelled": examined.labels is not None,
        "columns": _shown_columns(examined),
        "searched": text_columns(examined, label=True),
        "classes": list(examined.classes[:_MOST_NAMES]),
        "text": {
            "rows": f"{len(examined.features):,}",
            "features": f"{examined.features.shape[1]:,}",
            "classes": f"{len(examined.classes):,}",
        },
    }


@lru_cache(maxsize=2)
def _shown_columns(examined):
    """The first columns of text that are not the same in every row."""
    found = [name for name in text_columns(examined) if examined.columns[name].n_unique() > 1]
    return found[:_MOST_COLUMNS]


ROWS: tuple[Endpoint, ...] = (
    Endpoint("model", "What the explorer was started on.", {}, _model),
    Endpoint(
        "rows",
        "A page of the rows that are asked for.",
        {**FIELDS, "offset": Whole(0, 1 << 31, default=0), "count": Whole(1, 200, default=25)},
        _rows,
    ),
    ROW,
)
