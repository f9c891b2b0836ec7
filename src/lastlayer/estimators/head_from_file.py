"""A saved head becomes the estimator that it was."""

import os

import numpy as np

from lastlayer._arrays import checked_beta
from lastlayer.decision import RULE_ARRAYS, rule_from_parts
from lastlayer.decision.head_rules import default_rule, has_many_labels
from lastlayer.estimators.decision_rule import DECISION, require_rule
from lastlayer.estimators.label_optima import checked_optimum, from_columns, together
from lastlayer.estimators.sigmoid_classifier import SigmoidClassifier
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier
from lastlayer.estimators.training import Training
from lastlayer.storage import CLASS_TENSORS, FEATURE_NAMES, UnreadableHead, decode_classes, read_head

_OF_LABELS = ("beta", "bias", "constant")
_TENSORS = (
    *("coef", "intercept", *_OF_LABELS, *CLASS_TENSORS),
    *(FEATURE_NAMES + name for name in CLASS_TENSORS),
    *(DECISION + name for name in RULE_ARRAYS),
)
# Where schema 1 kept what the command line remembered of a fit, among the entries of the caller's own.
_TABLE_OF_FIT = "table_of_fit"
_OF_TABLE = {"feature_columns", "list_column", "label_column", "rows", "held_out_rows", "log_loss_before"}


def load(path: str | os.PathLike[str]) -> SoftmaxClassifier | SigmoidClassifier:
    """The estimator that `save` wrote to `path`, ready to predict, calibrate and save.

    Nothing is unpickled or executed. What the file declares is checked against itself, and all of it against the digest
    that was written with it, before it is believed.

    Args:
      path: a .safetensors file written by `save` of an estimator or by `lastlayer fit`.
    Raises: UnreadableHead (a ValueError), in one sentence, if it is missing, cut short, changed, foreign, hostile or
      newer.
    """
    tensors, header = read_head(path, _TENSORS)
    kind = header.get("estimator")
    if kind not in _ESTIMATORS:
        raise UnreadableHead(
            f"{os.fspath(path)}: holds a {kind!r}, expected {' or '.join(map(repr, _ESTIMATORS))}; upgrade lastlayer."
        )
    try:
        header = _as_of_schema_3(header)
        model = _ESTIMATORS[kind](tensors, header)
        _set_common(model, tensors, header)
        return model
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise UnreadableHead(
            f"{os.fspath(path)}: damaged ({failure}), expected a head saved by lastlayer; save it again."
        ) from failure


def _softmax_classifier(tensors, header):
    model = SoftmaxClassifier(**_parameters(header))
    classes = decode_classes(tensors)
    if len(classes) < 2:
        raise ValueError(f"{len(classes)} classes")
    _check_head(tensors, classes, 1 if len(classes) == 2 else len(classes))
    model.beta_, model.optimum_ = checked_beta(header["beta"]), checked_optimum(header["optimum"])
    return model


def _sigmoid_classifier(tensors, header):
    model = SigmoidClassifier(**_parameters(header))
    classes, rows = decode_classes(tensors), len(tensors["intercept"])
    if rows != len(classes) and (rows, len(classes)) != (1, 2):
        raise ValueError(f"{len(classes)} labels, but {rows} intercepts")
    _check_head(tensors, classes, rows)
    for name in _OF_LABELS:
        kind = "b" if name == "constant" else "f"
        if tensors[name].shape != (rows,) or tensors[name].dtype.kind != kind:
            raise ValueError(f"{name} of shape {tensors[name].shape}, {tensors[name].dtype}")
    if not (tensors["beta"] > 0).all():
        raise ValueError("beta is not above 0")
    model.beta_, model.bias_, model.constant_ = (tensors[name] for name in _OF_LABELS)
    model.optima_ = from_columns(header["optima"])
    if len(model.optima_) != rows:
        raise ValueError(f"{rows} labels, but optima of {len(model.optima_)}")
    model.optimum_ = together(model.optima_)
    return model


_ESTIMATORS = {"SoftmaxClassifier": _softmax_classifier, "SigmoidClassifier": _sigmoid_classifier}


def _parameters(header):
    parameters = dict(header["parameters"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    return parameters


def _check_head(tensors, classes, rows):
    coef, intercept = tensors["coef"], tensors["intercept"]
    if coef.ndim != 2 or coef.dtype.kind != "f":
        raise ValueError(f"{len(classes)} classes and weights of shape {coef.shape}, {coef.dtype}")
    if coef.shape[0] != rows or intercept.shape != (rows,):
        raise ValueError(f"{len(classes)} classes, but weights of shape {coef.shape} and intercepts {intercept.shape}")


def _set_common(model, tensors, header):
    """What every head has."""
    model.classes_ = decode_classes(tensors)
    model.coef_, model.intercept_ = tensors["coef"], tensors["intercept"]
    model.n_features_in_ = model.coef_.shape[1]
    names = _feature_names(tensors, header)
    if names is not None:
        model.feature_names_in_ = names
        if len(names) != model.n_features_in_:
            raise ValueError(f"{model.n_features_in_} features, but {len(names)} names of them")
    model.n_iter_ = np.array([model.optimum_.iterations])
    many_labels = has_many_labels(model)
    model.decision_, model.abstain_label_ = default_rule(many_labels=many_labels), None
    if header["decision"] is not None:
        arrays = {key.removeprefix(DECISION): tensor for key, tensor in tensors.items() if key.startswith(DECISION)}
        rule, abstain_label = rule_from_parts(header["decision"], arrays), header["abstain_label"]
        require_rule(rule, abstain_label, model.classes_, many_labels=many_labels)
        model.decision_, model.abstain_label_ = rule, abstain_label
    model.training_ = Training(**header["training"])
    model.header_ = dict(header["caller"])


def _feature_names(tensors, header):
    stored = {
        key.removeprefix(FEATURE_NAMES): tensor for key, tensor in tensors.items() if key.startswith(FEATURE_NAMES)
    }
    if stored:
        return decode_classes(stored).astype(object)
    return None if header["feature_names"] is None else np.array(header["feature_names"], dtype=object)


def _as_of_schema_3(header):
    """The header of a file of any schema, as the newest has it, and "feature_names": those that it holds itself.

    Before schema 3 there was no decision rule. In schema 1 only the command remembered the table of a fit, the names of
    feature columns among it, in an entry of the header; since then they are tensors.
    """
    if header["schema"] > 2:
        return {**header, "feature_names": None}
    header = {**header, "decision": None, "abstain_label": None}
    if header["schema"] > 1:
        return {**header, "feature_names": None}
    table = header["caller"].get(_TABLE_OF_FIT)
    if not isinstance(table, dict) or not table.keys() >= _OF_TABLE:
        return {**header, "training": {}, "feature_names": None}
    columns, is_list = table["feature_columns"], table["list_column"]
    return {
        **header,
        "parameters": {**header["parameters"], "verbose": 0},  # the command's, not the user's
        "training": {
            "rows": table["rows"],
            "held_out_rows": table["held_out_rows"] or 0,
            "log_loss_before": table["log_loss_before"],
            "log_loss_after": table["log_loss_after"],
            "label": table["label_column"],
            "features": columns[0] if is_list else None,
        },
        "feature_names": None if is_list else columns,
        "caller": {key: value for key, value in header["caller"].items() if key != _TABLE_OF_FIT},
    }
