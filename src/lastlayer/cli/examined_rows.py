"""The model and the rows that `lastlayer explore` is started on: read in one pass, and kept."""

import time
from collections.abc import Sequence

import click
import numpy as np
import polars as pl

import lastlayer as ll
from lastlayer._available_memory import available_memory, readable
from lastlayer._progress_line import ProgressLine
from lastlayer.cli.arguments import standard_input
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import feature_columns, load_model
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.explorer import Examined
from lastlayer.explorer.row_figures import joined_figures, row_figures, scores_in_full
from lastlayer.metrics import ClassIndex
from lastlayer.tables import InputError, Table, cast_labels, label_array, label_column, open_table
from lastlayer.tables.model_rows import batches

MOST_ROWS = 2_000_000
_NUMBER = "__lastlayer_number__"
# A column of text is kept as it stands and in lower case.
_COPIES = 2
# Seconds after which a pass says how far it is.
_QUIET = 1.0


def examined_rows(
    model_path: str,
    data: Sequence[str],
    *,
    where: str | None = None,
    format_: str | None = None,
    label: str | None = None,
) -> Examined:
    """The Examined of a model file and the rows of `data`, with progress on standard error.

    Args:
      model_path: a file of a model of one label a row.
      data: files of one table.
      where: SQL that chooses rows; None for all.
      format_: as in `open_table`.
      label: the column of labels; None for the one of the fit or the usual one, and for none where there is neither.
    Raises: InputError, among others where the rows would take more than half of the memory that is free.
    """
    model = load_model(model_path)
    if not isinstance(model, ll.SoftmaxClassifier) or has_many_labels(model):
        raise InputError(
            f"{model_path}: has many labels a row, expected a model of one; lastlayer evaluate --report shows others."
        )
    remembered = model.training_.label
    table = open_table(data, wanted=[] if label is None else [label], stdin=standard_input(), format=format_)
    label = _label_of(table, label, remembered)
    table = table.as_written([] if label is None else [label]).filtered(where)
    columns = feature_columns(model, table, label)
    kept = [name for name in _kept(table) if name not in columns.names]
    if where is not None:
        table = table.numbered(_NUMBER)
    numbers = [] if where is None else [_NUMBER]
    index, budget = ClassIndex(model.classes_), _Budget(table.name)
    progress, begun = ProgressLine(), time.monotonic()
    features, logits, labels, frames, figures, rows = [], [], [], [], [], 0
    for frame, X, place in batches(model, table, columns, [*kept, *numbers], columns_of_output=len(model.classes_)):
        rows += len(X)
        known = None if label is None else _codes(frame[label], index, place)
        with about_the_input():
            scores = scores_in_full(model, X)
            figures.append(row_figures(model, scores, known))
        features.append(np.array(X))
        logits.append(scores.astype(np.float32))
        labels.append(known)
        frames.append(frame.select([*kept, *numbers]))
        taken = features[-1].nbytes + logits[-1].nbytes + _COPIES * frames[-1].estimated_size()
        budget.take(rows, taken)
        if time.monotonic() - begun > _QUIET:
            progress.show(f"{rows:,} rows read")
    found = pl.concat(frames, how="vertical_relaxed")
    progress.end(f"{rows:,} rows of {table.name} read in {time.monotonic() - begun:.1f} s")
    examined = Examined(
        model=model,
        model_path=model_path,
        data_paths=tuple(data),
        classes=tuple(str(name) for name in model.classes_.tolist()),
        feature_names=_names(columns, model.n_features_in_),
        features=np.concatenate(features),
        logits=np.concatenate(logits),
        labels=None if label is None else np.concatenate(labels),
        columns=found.select(kept),
        label_column=label,
        numbers=None if where is None else found[_NUMBER].cast(pl.Int64).to_numpy(),
        feature_columns=columns.names,
        features_are_list=columns.is_list,
        where=where,
        format=format_,
        figures=joined_figures(figures),
    )
    _say_of_labels(examined)
    return examined


class _Budget:
    """Half of the memory that is free when the pass begins; the other half is for putting the parts together."""

    def __init__(self, name):
        self._name, self._free, self._taken = name, available_memory(), 0

    def take(self, rows, num_bytes):
        self._taken += num_bytes
        if rows > MOST_ROWS:
            raise InputError(
                f"{self._name}: more than {MOST_ROWS:,} rows, expected at most that many; choose some with --where."
            )
        if self._taken > self._free / 2:
            raise InputError(
                f"{self._name}: the first {rows:,} rows take {readable(self._taken)} with their scores, expected at "
                f"most half of the {readable(self._free)} of memory that are free; choose fewer with --where."
            )


def _label_of(table: Table, label: str | None, remembered: str | None) -> str | None:
    if label is not None or remembered in table.schema:
        return label_column(table, label or remembered)
    return next((usual for usual in ("label", "labels", "y") if usual in table.schema), None)


def _kept(table: Table) -> list[str]:
    """Columns that every file has, and that hold text, numbers, truth values or times."""
    first, *others = table.sources
    return [
        name
        for name, dtype in first.schema.items()
        if not (dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Null))
        and all(name in source.schema for source in others)
    ]


def _codes(series, index, place):
    """The index of each label, -1 for one that is no class."""
    labels = label_array(cast_labels(series, index.classes), place)
    codes = np.full(len(labels), -1, np.int64)
    known = index.knows(labels)
    codes[known] = index.find(labels[known])
    return codes


def _names(columns, width):
    if columns.is_list:
        return tuple(f"{columns.names[0]}[{feature}]" for feature in range(width))
    return columns.names


def _say_of_labels(examined):
    if examined.labels is None:
        click.echo("labels: none, so rows are sorted by how sure the model is; name a column with --label", err=True)
        return
    strange = int((examined.labels < 0).sum())
    if strange:
        click.echo(
            f"labels: column {examined.label_column} is no class of the model in {strange:,} of "
            f"{len(examined.labels):,} rows, which have no loss",
            err=True,
        )
