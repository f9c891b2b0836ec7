"""What a model predicts for the rows of a table, as DataFrames of one batch each."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer._json import json_text
from lastlayer.decision import gives_sets
from lastlayer.decision.head_rules import has_many_labels, is_default
from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.input_error import InputError
from lastlayer.tables.model_rows import LinearHead, batches
from lastlayer.tables.table import Table


class Wanted(NamedTuple):
    """Which predictions are wanted: of the `top` likeliest classes, or of the model's rule; and of `every` class too.

    kept: columns to copy. as_text: whether lists become JSON text.
    """

    top: int | None = None
    every: bool = False
    kept: tuple[str, ...] = ()
    as_text: bool = False

    def names(self, classes: NDArray[Any]) -> list[str]:
        """The names of the columns of predictions, all different since the classes are."""
        if self.top is None:
            every = [f"probability_{name}" for name in classes] if self.every else []
            return ["prediction", "probability", *every]
        return [f"{name}_{place}" for place in range(1, self.top + 1) for name in ("prediction", "probability")]


def kept_columns(
    keep: str | Sequence[str], table: Table, kind: str, names: Sequence[str], *, option: str = "keep"
) -> tuple[str, ...]:
    """The names of the columns that are copied beside predictions, each once.

    Args:
      keep: names, or several of them with commas between.
      table: Table.
      kind: of the file that they go to, "parquet", "csv" or "jsonl".
      names: of the columns of predictions.
      option: the subject of errors.
    Raises: InputError for one that is missing, is called as a prediction is, or does not go into such a file.
    """
    keep = [keep] if isinstance(keep, str) else keep
    kept = [name for entry in keep for name in ([entry] if entry in table.schema else entry.split(","))]
    table.require_columns(kept)
    for name in kept:
        if name in names:
            raise InputError(f"{option} {name}: is a column of the predictions too, expected another; rename it.")
        if kind != "parquet" and table.schema[name] == pl.Binary:
            raise InputError(f"{option} {name}: holds bytes, which {kind} cannot hold; write parquet.")
        if kind == "csv" and table.schema[name].is_nested():
            raise InputError(f"{option} {name}: holds lists, which csv cannot hold; write parquet or jsonl.")
    return tuple(dict.fromkeys(kept))


def predictions(
    head: LinearHead, table: Table, columns: FeatureColumns, wanted: Wanted, *, judge: Any = None
) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield a batch of predictions in the order of the rows, and for how many of them the rule does not know.

    Args:
      head: the model, whose rule answers.
      table: Table.
      columns: FeatureColumns of it.
      wanted: Wanted.
      judge: what gives the probabilities of a model without a rule, if not itself.
    """
    kept, names = wanted.kept, wanted.names(head.classes_)
    judge = head if judge is None else judge
    if wanted.top is None and gives_sets(head.decision_):
        yield from _sets(head, table, columns, kept, names, as_text=wanted.as_text)
    elif wanted.top is None and not is_default(head.decision_, many_labels=has_many_labels(head)):
        yield from _decided(head, table, columns, kept, names)
    else:
        frames = _probabilities if wanted.every else _predictions
        width = 1 if judge is head and not wanted.every else len(head.classes_)
        for frame in frames(judge, table, columns, kept, names, width):
            yield frame, 0


def _predictions(head, table, columns, kept, names, columns_of_output):
    """DataFrames of the kept columns and the `names`d predictions, the likeliest first, batch by batch."""
    top = len(names) // 2
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=columns_of_output):
        labels, probabilities = head.predict_top_k(X, top)
        values = [part[:, place] for place in range(top) for part in (labels, probabilities)]
        found = [pl.Series(name, value.copy()) for name, value in zip(names, values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), *found])


def _decided(head, table, columns, kept, names):
    """DataFrames of the kept columns, what the rule answers and how probable that is, and with more names every class.

    "Don't know" is null, beside the largest probability.
    """
    classes = pl.Series(head.classes_.tolist())
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=len(head.classes_)):
        probabilities = head.predict_proba(X)
        answers = head.decision_.apply(probabilities)
        is_unknown = answers < 0
        chosen = np.where(is_unknown, probabilities.argmax(axis=1), answers)
        labels = classes.gather(chosen).set(pl.Series(is_unknown), None).alias(names[0])
        values = [np.take_along_axis(probabilities, chosen[:, None], axis=1)[:, 0], *_columns(probabilities, names)]
        found = [pl.Series(name, value) for name, value in zip(names[1:], values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), labels, *found]), int(is_unknown.sum())


def _sets(head, table, columns, kept, names, *, as_text):
    """DataFrames of the kept columns and lists of the labels that the rule answers, and with more names every class."""
    classes = pl.Series(head.classes_.tolist())
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=len(head.classes_)):
        probabilities = head.predict_proba(X)
        answers = head.decision_.apply(probabilities)
        rows, chosen = answers.nonzero()
        ranked = probabilities[rows, chosen]
        order = np.lexsort((chosen, -ranked, rows))
        lengths = np.bincount(rows, minlength=len(probabilities))
        lists = [classes.gather(chosen[order]).alias(names[0]), pl.Series(names[1], ranked[order])]
        every = [
            pl.Series(name, column) for name, column in zip(names[2:], _columns(probabilities, names), strict=True)
        ]
        yield pl.DataFrame([*frame.select(kept), *(_as_lists(series, lengths, as_text) for series in lists), *every]), 0


def _columns(probabilities, names):
    """Every class's probabilities, if more than the answer and its probability are wanted."""
    return [np.ascontiguousarray(column) for column in probabilities.T] if names[2:] else []


def _as_lists(series, lengths, as_text):
    """Entries one after another as lists of such lengths, or as JSON text of them."""
    edges, values = np.concatenate([[0], np.cumsum(lengths)]).tolist(), series.to_list()
    lists = [values[first:last] for first, last in pairwise(edges)]
    if as_text:
        return pl.Series(series.name, [json_text(part) for part in lists])
    return pl.Series(series.name, lists, dtype=pl.List(series.dtype))


def _probabilities(head, table, columns, kept, names, columns_of_output):
    """DataFrames of the kept columns, the prediction, and the probability of it and of every class, batch by batch."""
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=columns_of_output):
        labels, probabilities = head.predict(X), head.predict_proba(X)
        values = [labels, probabilities.max(axis=1), *probabilities.T]
        found = [pl.Series(name, np.ascontiguousarray(value)) for name, value in zip(names, values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), *found])
