"""`lastlayer info`: what a model file holds."""

import math
from dataclasses import asdict

import click
import numpy as np

import lastlayer as ll
from lastlayer._text import first_few
from lastlayer.cli.arguments import CommandWithExamples, json_option, model_argument
from lastlayer.cli.decision_document import decision_document
from lastlayer.cli.printing import beta_in_words, print_json, print_pairs
from lastlayer.cli.saved_model import load_model
from lastlayer.decision import evidence_in_words
from lastlayer.storage import read_header

_WIDTH = 56


@click.command(
    "info",
    cls=CommandWithExamples,
    examples=["lastlayer info kind.safetensors", "lastlayer info kind.safetensors --json | jq .beta"],
)
@model_argument
@json_option
def command(model: str, as_json: bool) -> None:
    """Show what a model file holds."""
    head = load_model(model)
    header = read_header(model)
    training = asdict(head.training_)
    label, list_column = training.pop("label"), training.pop("features")
    names = getattr(head, "feature_names_in_", None)
    document = {
        "schema": 2,
        "model": model,
        "file_schema": header["schema"],
        "library_version": header["library_version"],
        "num_classes": len(head.classes_),
        "classes": head.classes_.tolist(),
        "features": int(head.n_features_in_),
        "dtype": str(head.coef_.dtype),
        "beta": np.asarray(head.beta_).tolist(),
        "bias": head.bias_.tolist() if isinstance(head, ll.SigmoidClassifier) else None,
        "decision": decision_document(head.decision_),
        "C": float(head.C),
        **asdict(head.optimum_),
        "feature_columns": None if names is None else names.tolist(),
        "list_column": list_column,
        "label_column": label,
        **training,
    }
    if as_json:
        print_json(document)
    else:
        print_pairs(_readable(document, head.optimum_.certificate(), head.decision_.evidence))


def _readable(document, certificate, evidence):
    pairs = [
        ("model", document["model"]),
        ("written by", f"lastlayer {document['library_version']}, schema {document['file_schema']}"),
        (
            "classes" if document["bias"] is None else "labels",
            f"{len(document['classes']):,}: {first_few(document['classes'], _WIDTH)}",
        ),
        ("features", f"{document['features']:,}{_columns(document)}"),
        ("numbers", document["dtype"]),
        ("C", f"{document['C']:g}"),
        ("beta", beta_in_words(document["beta"])),
        ("answers", document["decision"]["in_words"]),
    ]
    if evidence is not None:
        pairs.append(("chosen on", evidence_in_words(evidence)))
    if document["label_column"]:
        pairs.insert(4, ("label", document["label_column"]))
    pairs.append(("objective", f"{_number(document['objective'], '.6f')}, {certificate}"))
    pairs.append(("iterations", f"{document['iterations']:,} ({document['stopped']})"))
    if document["rows"] is not None:
        held = document["held_out_rows"]
        rows = f"{document['rows']:,} fitted" + (f", {held:,} held out for calibration" if held else "")
        pairs.append(("rows", rows))
    if document["log_loss_after"] is not None:
        before, after = document["log_loss_before"], document["log_loss_after"]
        pairs.append(("log-loss", f"{before:.4f} on held-out rows, {after:.4f} calibrated"))
    return [*pairs, ("seconds", _number(document["seconds"], ".2f"))]


def _number(value, places):
    return "unknown" if math.isnan(value) else format(value, places)


def _columns(document):
    columns = document["feature_columns"] or [document["list_column"] or ""]
    if not columns[0]:
        return ""
    if len(columns) <= 3:
        return f" ({', '.join(columns)})"
    return f" ({columns[0]}, {columns[1]} ... {columns[-1]})"
