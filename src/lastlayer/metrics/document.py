"""Evaluations as versioned JSON: undefined is null, and an infinity a string."""

import json
import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lastlayer._json import json_float, json_text, json_value
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability
from lastlayer.metrics.risk_coverage import RiskCoverage

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation

    Kind = TypeVar("Kind", bound=Evaluation)

SCHEMA = 1
_OLD_NAN = "NaN"  # how version 0.1 wrote what is undefined
_COUNTS = ("rows", "num_classes", "top_k")
_FIGURES = (
    "accuracy",
    "top_k_accuracy",
    "log_loss",
    "brier",
    "ece",
    "mean_confidence",
    "balanced_accuracy",
    "macro_f1",
    "weighted_f1",
)
# Keys that earlier versions did not write, or that are null where nobody asked for them.
_LATER_FIGURES = ("smooth_ece", "classwise_ece", "aurc", "unknown_auroc", "interval_confidence")
_PAIRS = ("log_loss_interval", "ece_interval", "accuracy_interval", "aurc_interval")
_LATER_COUNT = "unknown_rows"
_LATER_COLUMN = "calibration_error"
_OPTIONAL_COLUMN = "unknown_answered"
_TABLES = {
    "per_class": (PerClass, {"precision": float, "recall": float, "f1": float, "support": int}),
    "reliability": (Reliability, {"rows": int, "confidence": float, "accuracy": float}),
}


def evaluation_to_dict(evaluation: "Evaluation") -> dict[str, Any]:
    """`evaluation` as nested dicts and lists of int, str, bool and finite float; see `Evaluation.to_dict`."""
    document: dict[str, Any] = {"schema": SCHEMA}
    document |= {key: getattr(evaluation, key) for key in _COUNTS}
    document |= {key: getattr(evaluation, key) for key in _FIGURES}
    document |= {key: getattr(evaluation, key) for key in (_LATER_COUNT, *_LATER_FIGURES, *_PAIRS)}
    for key, (_, columns) in _TABLES.items():
        table = getattr(evaluation, key)
        document[key] = {column: getattr(table, column).tolist() for column in columns}
    errors = evaluation.per_class.calibration_error
    document["per_class"][_LATER_COLUMN] = None if errors is None else errors.tolist()
    document["risk_coverage"] = _columns_of(evaluation.risk_coverage)
    document["classes"] = None if evaluation.classes is None else evaluation.classes.tolist()
    return json_value(document)


def evaluation_to_json(evaluation: "Evaluation", *, indent: int | None) -> str:
    """`evaluation` as JSON text; see `Evaluation.to_json`."""
    return json_text(evaluation_to_dict(evaluation), indent=indent)


def evaluation_from_json(kind: "type[Kind]", text: str | bytes | bytearray) -> "Kind":
    """The evaluation in JSON `text`, as a `kind`; see `Evaluation.from_json`."""
    try:
        document = json.loads(text)
    except ValueError as failure:
        raise ValueError(f"evaluation: {failure}, expected the JSON of Evaluation.to_json.") from None
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise ValueError('evaluation: no whole number under the key "schema", expected the JSON of Evaluation.to_json.')
    if document["schema"] != SCHEMA:
        raise ValueError(
            f"evaluation: schema is {document['schema']}, expected {SCHEMA}; upgrade lastlayer to read it."
        )
    found: dict[str, Any] = {key: _read(document, key, int) for key in _COUNTS} | {
        key: _read(document, key, float) for key in _FIGURES
    }
    for key, (part, columns) in _TABLES.items():
        table = _entry(document, key)
        found[key] = part(**{column: _read_column(table, column, number) for column, number in columns.items()})
    later = document["per_class"].get(_LATER_COLUMN)
    if later not in (None, _OLD_NAN):
        errors = _read_column(document["per_class"], _LATER_COLUMN, float)
        found["per_class"] = replace(found["per_class"], calibration_error=errors)
    for key in _LATER_FIGURES:
        found[key] = _number(document.get(key), key, float)
    if math.isnan(found["interval_confidence"]):
        found["interval_confidence"] = None
    for key in _PAIRS:
        found[key] = _pair(document.get(key), key)
    count = document.get(_LATER_COUNT)
    found[_LATER_COUNT] = None if count in (None, _OLD_NAN) else _number(count, _LATER_COUNT, int)
    found["risk_coverage"] = _risk_coverage(document.get("risk_coverage"))
    classes = _entry(document, "classes")
    return kind(**found, classes=None if classes is None else np.array(classes))


def _columns_of(curve):
    if curve is None:
        return None
    return {name: None if column is None else column.tolist() for name, column in vars(curve).items()}


def _risk_coverage(table):
    if table in (None, _OLD_NAN):
        return None
    columns: dict[str, Any] = {}
    for field in fields(RiskCoverage):
        if field.name != _OPTIONAL_COLUMN or _entry(table, field.name) not in (None, _OLD_NAN):
            columns[field.name] = _read_column(table, field.name, float)
    return RiskCoverage(**columns)


def _entry(document, key):
    if not isinstance(document, dict) or key not in document:
        raise ValueError(f'evaluation: no key "{key}", expected the JSON of Evaluation.to_json, schema {SCHEMA}.')
    return document[key]


def _read(document, key, kind):
    return _number(_entry(document, key), key, kind)


def _read_column(table: Any, column: str, kind: type) -> Any:
    entries = _entry(table, column)
    if not isinstance(entries, list):
        raise ValueError(f'evaluation: "{column}" is {entries!r}, expected a list of numbers.')
    if kind is int and any(isinstance(entry, float) for entry in entries):
        kind = float  # sums of weights
    return np.array([_number(entry, column, kind) for entry in entries], dtype=np.int64 if kind is int else np.float64)


def _pair(value, key):
    if value in (None, _OLD_NAN):
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f'evaluation: "{key}" is {value!r}, expected two numbers or null.')
    low, high = (_number(entry, key, float) for entry in value)
    return low, high


def _number(value, key, kind):
    if kind is int:
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
    else:
        number = math.nan if value == _OLD_NAN else json_float(value)
    if number is None:
        expected = "a whole number" if kind is int else 'a number, null, "Infinity" or "-Infinity"'
        raise ValueError(f'evaluation: "{key}" is {value!r}, expected {expected}.')
    return number
