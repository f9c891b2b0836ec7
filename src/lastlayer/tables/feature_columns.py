"""Which columns are features: chosen for a fit, found again for a model."""

import fnmatch
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from lastlayer.tables.feature_matrix import is_list_of_numbers
from lastlayer.tables.index_columns import index_columns
from lastlayer.tables.input_error import InputError, missing_column
from lastlayer.tables.spoilt_numbers import refuse_spoilt_numbers
from lastlayer.tables.table import Table

_MOST_SHOWN = 8


@dataclass(frozen=True)
class FeatureColumns:
    """Names of the feature columns in the order of the model's features, or of the one column of lists.

    `left_out` says, by name, why columns were not chosen where nobody named the features.
    """

    names: tuple[str, ...]
    is_list: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        first = ", ".join(self.names[:3])
        if self.is_list or len(self.names) <= 3:
            return first
        return f"{self.names[0]}, {self.names[1]} ... {self.names[-1]}"

    def note(self) -> str | None:
        """One line on the columns that were left out, None if there are none."""
        if not self.left_out:
            return None
        return f"features: left out {_listed(self.left_out)}"


def choose_features(
    table: Table, patterns: Sequence[str] = (), label: str | None = None, *, weight: str | None = None
) -> FeatureColumns:
    """The feature columns of `table`.

    Args:
      table: Table.
      patterns: column names, globs such as "f_*", or several of them with commas between. When empty: the only
        column of lists of numbers, else every column of numbers but the label and an index (see `index_columns`).
      label: the label column, which is never a feature.
      weight: the column of weights, which is none either.
    Returns: FeatureColumns.
    Raises: InputError if nothing matches, if two columns of lists could be meant, or if a column of numbers holds
      a few texts and would be left out by mistake.
    """
    schema = table.schema
    others = [column for column in schema if column not in (label, weight)]
    if patterns:
        return _of_one_kind(table, _matching(table, patterns, others, {label: "label", weight: "weight"}))
    lists = [column for column in others if is_list_of_numbers(schema[column])]
    if len(lists) > 1:
        raise InputError(
            f"{table.name}: columns {' and '.join(lists)} both hold lists of numbers, expected one; "
            f"choose it with --features {lists[0]}."
        )
    if lists:
        return FeatureColumns((lists[0],), is_list=True)
    left_out = index_columns(table, others)
    others = [column for column in others if column not in left_out]
    refuse_spoilt_numbers(table, [name for name in others if schema[name].is_numeric() or schema[name] == pl.String])
    numbers = tuple(column for column in others if schema[column].is_numeric())
    left_out |= {column: _kind_of(schema[column]) for column in others if not schema[column].is_numeric()}
    first, *later = table.sources
    left_out |= {
        column: f"not in {first.name}"
        for source in later
        for column in source.schema
        if column not in schema and column not in source.left_out and column not in (label, weight)
    }
    if not numbers:
        raise InputError(
            f"{table.name}: no column of numbers beside the label, expected features; the columns are "
            f"{_listed(left_out) or 'none'}; choose with --features."
        )
    return FeatureColumns(numbers, left_out=left_out)


def match_features(
    table: Table,
    names: Sequence[str] | None,
    *,
    is_list: bool,
    width: int,
    label: str | None = None,
    weight: str | None = None,
) -> FeatureColumns:
    """The columns of `table` that hold the features a model was fitted on, in the model's order.

    Columns are found by name; others are ignored. A model fitted on a column of lists takes the column of that name,
    else the only column of lists. A model that knows no names takes what `choose_features` chooses, in that order.

    Args:
      table: Table.
      names: the model's feature columns, None if it was fitted on an array.
      is_list: whether they are one column of lists.
      width: the number of features it was fitted on.
      label: the label column, which is never a feature.
      weight: the column of weights, which is none either.
    Returns: FeatureColumns.
    Raises: InputError naming the missing columns, or both widths.
    """
    if names is None:
        columns = choose_features(table, label=label, weight=weight)
    elif is_list and names[0] not in table.schema:
        columns = choose_features(table, label=label, weight=weight)
        if not columns.is_list:
            raise missing_column(table.name, names[0], table.schema, "the model was fitted on it")
    else:
        missing = [name for name in names if name not in table.schema]
        if len(missing) > 1:
            shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise InputError(
                f"{table.name}: {len(missing)} of the model's {len(names)} feature columns are missing ({shown}), "
                "expected all of them by name; add them."
            )
        if missing:
            raise missing_column(table.name, missing[0], table.schema, "the model was fitted on it")
        columns = FeatureColumns(tuple(names), is_list=is_list)
    found = _declared_width(table, columns)
    if found is not None and found != width:
        raise wrong_width(table.name, columns, found, width)
    return columns


def wrong_width(where: str, columns: FeatureColumns, found: int, width: int) -> InputError:
    """The InputError for rows of `found` features where the model has `width`."""
    subject = f"column {columns.names[0]} holds lists of {found}" if columns.is_list else f"{found} columns of numbers"
    note = f" ({columns.note()})" if columns.left_out else ""
    return InputError(
        f"{where}: {subject}, but the model was fitted on {width} features{note}; pass the same features."
    )


def _matching(table, patterns, others, taken):
    chosen = {}
    for pattern in _split(patterns, table.schema):
        if pattern in taken:
            raise InputError(
                f"--features {pattern}: it is the {taken[pattern]} column, expected other columns; leave it out."
            )
        if pattern in table.schema or pattern in table.sources[0].left_out:
            table.require_columns([pattern])
            found = [pattern]
        else:
            found = fnmatch.filter(others, pattern)
        if not found:
            raise missing_column(f"--features {pattern}: {table.name}", pattern, others)
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def _split(patterns, schema):
    for pattern in patterns:
        if pattern in schema:
            yield pattern
        else:
            yield from filter(None, (part.strip() for part in pattern.split(",")))


def _of_one_kind(table, names):
    lists = [name for name in names if isinstance(table.schema[name], (pl.List, pl.Array))]
    if not lists:
        return FeatureColumns(names)
    if len(names) > 1:
        raise InputError(
            f"--features: column {lists[0]} holds lists and stands beside {len(names) - 1} more, expected one column "
            "of lists or columns of numbers; choose either."
        )
    return FeatureColumns(names, is_list=True)


def _declared_width(table, columns):
    if not columns.is_list:
        return len(columns.names)
    dtype = table.schema[columns.names[0]]
    return dtype.size if isinstance(dtype, pl.Array) else None


def _kind_of(dtype):
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    return "true or false" if dtype == pl.Boolean else str(dtype)


def _listed(left_out):
    """Names and, in parentheses, why: once for neighbours of the same reason; the first few of many."""
    shown = list(left_out.items())[:_MOST_SHOWN]
    groups = [
        f"{', '.join(repr(name) if not name.strip() else name for name, _ in group)} ({reason})"
        for reason, group in itertools.groupby(shown, key=lambda item: item[1])
    ]
    more = f" and {len(left_out) - _MOST_SHOWN} more" if len(left_out) > _MOST_SHOWN else ""
    return ", ".join(groups) + more
