"""A saved head becomes the estimator that it was."""

import os

import numpy as np

from lastlayer.estimators.softmax_classifier import SoftmaxClassifier
from lastlayer.solvers import Optimum
from lastlayer.storage import UnreadableHead, decode_classes, read_head


def load(path):
    """The estimator that `save` wrote to `path`, ready to predict, calibrate and save.

    Nothing is unpickled or executed. What the file declares is checked against itself before it is believed.

    Args:
      path: a .safetensors file written by `SoftmaxClassifier.save` or `lastlayer fit`.
    Raises: UnreadableHead (a ValueError), in one sentence, if it is missing, cut short, foreign, hostile or newer.
    """
    tensors, header = read_head(path)
    if header.get("estimator") != "SoftmaxClassifier":
        raise UnreadableHead(
            f"{os.fspath(path)}: holds a {header.get('estimator')!r}, expected 'SoftmaxClassifier'; upgrade lastlayer."
        )
    try:
        return _softmax_classifier(tensors, header)
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
    names = {key.removeprefix("features."): tensor for key, tensor in tensors.items() if key.startswith("features.")}
    if names:
        model.feature_names_in_ = decode_classes(names).astype(object)
        if len(model.feature_names_in_) != model.n_features_in_:
            raise ValueError(f"{model.n_features_in_} features, but {len(model.feature_names_in_)} names of them")
    model.beta_ = float(header["beta"])
    if not 0 < model.beta_ < float("inf"):
        raise ValueError(f"beta is {model.beta_}")
    model.optimum_ = Optimum(**header["optimum"])
    for name, value in vars(model.optimum_).items():
        if isinstance(value, bool) or not isinstance(value, str if name == "stopped" else (int, float)):
            raise ValueError(f"{name} of its optimum is {value!r}")
    model.n_iter_ = np.array([model.optimum_.iterations])
    model.header_ = dict(header["caller"])
    return model
