"""A csv file of costs: a row for each true class, and a column for each answer, both by the names of the classes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from lastlayer.tables.input_error import InputError, first_line


def read_costs(path: str, classes: NDArray[Any]) -> NDArray[np.float64]:
    """The costs (K, K) in a csv file, cost[y, a] of answering class a where the truth is class y.

    Args:
      path: the file; its first column names the true class of each row, the others are named as the answers, both in
        any order.
      classes: (K,) the classes.
    Raises: InputError if it cannot be read, a class is missing, stands twice or is none, or a cost is no finite number.
    """
    try:
        frame = pl.read_csv(Path(path).read_bytes(), infer_schema=False)
    except OSError as failure:
        raise InputError(f"{path}: cannot be read ({failure.strerror}), expected a csv file of costs.") from failure
    except PolarsError as failure:
        raise InputError(f"{path}: is no csv file of costs ({first_line(failure)}).") from failure
    names = [str(each) for each in classes.tolist()]
    truths = frame.to_series(0).to_list()
    _require_each(frame.columns[1:], names, f"{path}: its header", "column")
    _require_each(truths, names, f"{path}: its first column", "row")
    costs = np.empty((len(names), len(names)))
    for row, truth in enumerate(names):
        cells = frame.row(truths.index(truth), named=True)
        for column, answer in enumerate(names):
            costs[row, column] = _number(cells[answer])
            if not math.isfinite(costs[row, column]):
                raise InputError(
                    f"{path}: row {truth}, column {answer} is {cells[answer]!r}, expected a finite number."
                )
    return costs


def _require_each(found, names, where, kind):
    for index, each in enumerate(found):
        if each not in names:
            raise InputError(f"{where} has {each!r}, which is no class, expected a {kind} for each of {len(names)}.")
        if each in found[:index]:
            raise InputError(f"{where} has {each!r} twice, expected one {kind} for each class.")
    for each in names:
        if each not in found:
            raise InputError(f"{where} lacks {each!r}, expected a {kind} for each of {len(names)} classes.")


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
