"""An estimator as a file that `load` reads."""

import os
from numbers import Integral
from typing import Any

from lastlayer.decision import rule_parts
from lastlayer.estimators.decision_rule import DECISION, plain_label
from lastlayer.estimators.label_optima import as_columns
from lastlayer.estimators.labelled_rows import plain
from lastlayer.storage import FEATURE_NAMES, encode_classes, write_head


def save_head(model: Any, path: str | os.PathLike[str], header: dict[str, Any]) -> None:
    """Write a fitted SoftmaxClassifier or SigmoidClassifier to one .safetensors file, as a whole or not at all.

    Args:
      model: the estimator.
      path: the file; an old one is replaced in one step.
      header: what the caller wants to be remembered, JSON-able.
    Raises: TypeError for labels other than numbers and strings; UnwritableFile if the file cannot be written.
    """
    tensors = {"coef": model.coef_, "intercept": model.intercept_, **encode_classes(model.classes_)}
    if hasattr(model, "feature_names_in_"):
        names = encode_classes(model.feature_names_in_)
        tensors |= {FEATURE_NAMES + key: tensor for key, tensor in names.items()}
    decision, arrays = rule_parts(model.decision_)
    tensors |= {DECISION + name: array for name, array in arrays.items()}
    parameters = model.get_params()
    if isinstance(model.class_weight, dict):
        # JSON knows no keys but strings.
        parameters["class_weight"] = [[plain(key), float(value)] for key, value in model.class_weight.items()]
    if model.random_state is not None and not isinstance(model.random_state, Integral):
        parameters["random_state"] = None
    # Of one fit, on one machine: a head that is loaded and fitted to other data has no use for them.
    parameters |= dict.fromkeys(parameters.keys() & {"sampler", "checkpoint"})
    own: dict[str, Any]
    if hasattr(model, "optima_"):
        tensors |= {"beta": model.beta_, "bias": model.bias_, "constant": model.constant_}
        own = {"optima": as_columns(model.optima_)}
    else:
        own = {"beta": float(model.beta_), "optimum": vars(model.optimum_)}
    write_head(
        path,
        tensors,
        {
            **own,
            "estimator": type(model).__name__,
            "parameters": {name: plain(value) for name, value in parameters.items()},
            "decision": decision,
            "abstain_label": plain_label(model.abstain_label_),
            "training": vars(model.training_),
            "caller": header,
        },
    )
