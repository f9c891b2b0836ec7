"""A saved head becomes the estimator that it was."""

import os

import numpy as np

from lastlayer._arrays import checked_beta
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier
from lastlayer.estimators.training import Training
from lastlayer.solvers import Optimum
from lastlayer.storage import CLASS_TENSORS, FEATURE_NAMES, UnreadableHead, decode_classes, read_head

_TENSORS = ("coef", "intercept", *CLASS_TENSORS, *(FEATURE_NAMES + name for name in CLASS_TENSORS))
# Where schema 1 kept what the command line remembered of a fit, among the entries of the caller's own.
_TABLE_OF_FIT = "table_of_fit"
_OF_TABLE = {"feature_columns", "list_column", "label_column", "rows", "held_out_rows", "log_loss_before"}


def load(path: str | os.PathLike[str]) -> SoftmaxClassifier:
    """The estimator that `save` wrote to `path`, ready to predict, calibrate and save.

    Nothing is unpickled or executed. What the file declares is checked against itself, and all of it against the digest
    that was written with it, before it is believed.

    Args:
      path: a .safetensors file written by `SoftmaxClassifier.save` or `lastlayer fit`.
    Raises: UnreadableHead (a ValueError), in one sentence, if it is missing, cut short, changed, foreign, hostile or
      newer.
    """
    tensors, header = read_head(path, _TENSORS)
    if header.get("estimator") != "SoftmaxClassifier":
        raise UnreadableHead(
            f"{os.fspath(path)}: holds a {header.get('estimator')!r}, expected 'SoftmaxClassifier'; upgrade lastlayer."
        )
    try:
        return _softmax_classifier(tensors, _as_of_schema_2(header))
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise UnreadableHead(
            f"{os.fspath(path)}: damaged ({failure}), expected a head saved by lastlayer; save it again."
        ) from failure


def _softmax_classifier(tensors, header):
    parameters = dict(header["parameters"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    model = SoftmaxClassifier(**parameters)
    model.classes_ = decode_classes(tensors)
    model.coef_, model.intercept_ = tensors["coef"], tensors["intercept"]
    num_classes = len(model.classes_)
    rows = 1 if num_classes == 2 else num_classes
    if num_classes < 2 or model.coef_.ndim != 2 or model.coef_.dtype.kind != "f":
        raise ValueError(f"{num_classes} classes and weights of shape {model.coef_.shape}, {model.coef_.dtype}")
    if model.coef_.shape[0] != rows or model.intercept_.shape != (rows,):
        raise ValueError(
            f"{num_classes} classes, but weights of shape {model.coef_.shape} and intercepts {model.intercept_.shape}"
        )
    model.n_features_in_ = model.coef_.shape[1]
    names = _feature_names(tensors, header)
    if names is not None:
        model.feature_names_in_ = names
        if len(names) != model.n_features_in_:
            raise ValueError(f"{model.n_features_in_} features, but {len(names)} names of them")
    model.beta_ = checked_beta(header["beta"])
    model.optimum_ = Optimum(**header["optimum"])
    for name, value in vars(model.optimum_).items():
        if isinstance(value, bool) or not isinstance(value, str if name == "stopped" else (int, float)):
            raise ValueError(f"{name} of its optimum is {value!r}")
    model.n_iter_ = np.array([model.optimum_.iterations])
    model.training_ = Training(**header["training"])
    model.header_ = dict(header["caller"])
    return model


def _feature_names(tensors, header):
    stored = {
        key.removeprefix(FEATURE_NAMES): tensor for key, tensor in tensors.items() if key.startswith(FEATURE_NAMES)
    }
    if stored:
        return decode_classes(stored).astype(object)
    return None if header["feature_names"] is None else np.array(header["feature_names"], dtype=object)


def _as_of_schema_2(header):
    """The header of a file of any schema, as the newest has it, and "feature_names": those that it holds itself.

    In schema 1 only the command remembered the table of a fit, the names of feature columns among it, in an entry of
    the header; since then they are tensors.
    """
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
