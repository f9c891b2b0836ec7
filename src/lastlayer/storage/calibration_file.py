"""A calibration on disk: a few lines of JSON, which anything can read and nothing executes."""

import json
import os
from pathlib import Path
from typing import Any

import lastlayer
from lastlayer._json import json_text
from lastlayer.calibration import CALIBRATION_METHODS, Calibration, EntropyBetas, VectorScaling
from lastlayer.storage.replacement import replacement

SCHEMA = 1
_EXPECTED = "expected a calibration saved by lastlayer; write it again with lastlayer calibrate or save_calibration"


def save_calibration(calibration: Calibration, path: str | os.PathLike[str]) -> None:
    """Write a `Calibration` to a JSON file that `load_calibration` reads, as a whole or not at all.

    Raises: UnwritableFile if the disk does not take it; TypeError for classes that JSON cannot hold.
    """
    document = calibration_document(calibration)
    text = json_text(document, indent=1)
    with replacement(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def calibration_document(calibration: Calibration) -> dict[str, Any]:
    """What the file of a calibration holds."""
    return {
        "schema": SCHEMA,
        "library_version": lastlayer.__version__,
        "method": calibration.method,
        "scores_are": calibration.scores_are,
        "beta": float(calibration.beta),
        "entropy_betas": None if calibration.entropy_betas is None else list(calibration.entropy_betas),
        "factors": None if calibration.vector is None else list(calibration.vector.factors),
        "shifts": None if calibration.vector is None else list(calibration.vector.shifts),
        "rows": int(calibration.rows),
        "num_classes": int(calibration.num_classes),
        "classes": None if calibration.classes is None else list(calibration.classes),
    }


def load_calibration(path: str | os.PathLike[str]) -> Calibration:
    """The `Calibration` that `save_calibration` or `lastlayer calibrate` wrote to `path`. Nothing is unpickled.

    Raises: ValueError, in one sentence, if it is missing, cut short, foreign, damaged or newer.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_bytes()
        document = json.loads(text)
    except FileNotFoundError:
        raise ValueError(f"{name}: no such file, {_EXPECTED}.") from None
    except OSError as failure:
        raise ValueError(f"{name}: cannot be read ({failure.strerror}), {_EXPECTED}.") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{name}: cut short or not JSON, {_EXPECTED}.") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema is None or not _is_whole(schema) or "method" not in document:
        raise ValueError(f"{name}: JSON of another program, {_EXPECTED}.")
    if schema > SCHEMA or document["method"] not in CALIBRATION_METHODS:
        raise ValueError(
            f"{name}: a calibration of schema {schema} by {document['method']!r}, expected at most schema {SCHEMA} by "
            f"{', '.join(CALIBRATION_METHODS)}; upgrade lastlayer."
        )
    try:
        return _calibration(document)
    except (KeyError, TypeError, ValueError) as failure:
        raise ValueError(f"{name}: damaged ({failure}), {_EXPECTED}.") from None


def _calibration(document):
    for key in ("rows", "num_classes"):
        if not _is_whole(document[key]):
            raise ValueError(f"{key} is {document[key]!r}")
    betas, factors, shifts = (_numbers(document[key], key) for key in ("entropy_betas", "factors", "shifts"))
    classes = document["classes"]
    if classes is not None and not (
        isinstance(classes, list) and all(isinstance(c, (str, int, float)) for c in classes)
    ):
        raise ValueError("classes are no list of names or numbers")
    return Calibration(
        method=document["method"],
        scores_are=document["scores_are"],
        beta=document["beta"],
        num_classes=document["num_classes"],
        rows=document["rows"],
        entropy_betas=None if betas is None else EntropyBetas(*betas),
        vector=None if factors is None or shifts is None else VectorScaling(factors, shifts),
        classes=None if classes is None else tuple(classes),
    )


def _numbers(values, key):
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{key} is no list of numbers")
    return tuple(map(float, values))


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
