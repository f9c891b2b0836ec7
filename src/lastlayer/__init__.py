"""The classification output layer: from features or logits to calibrated probabilities and a decision.

Every public name is imported on first use (PEP 562), so that `import lastlayer` costs next to nothing. Type checkers
read __init__.pyi instead.
"""

import importlib

_HOME = {
    "Evaluation": "metrics",
    "EvaluationAccumulator": "metrics",
    "SoftmaxClassifier": "estimators",
    "FitInterrupted": "estimators",
    "ScalingWarning": "estimators",
    "TemperatureWarning": "calibration",
    "UnreadableHead": "storage",
    "UnwritableFile": "storage",
    "binary_cross_entropy_with_logits": "losses",
    "binary_cross_entropy_with_logits_value_and_grad": "losses",
    "binary_likelihood_loss": "losses",
    "binary_likelihood_loss_value_and_grad": "losses",
    "cross_entropy": "losses",
    "cross_entropy_value_and_grad": "losses",
    "evaluate": "metrics",
    "fit_temperature": "calibration",
    "fold": "estimators",
    "hardmax": "functions",
    "load": "estimators",
    "log_sigmoid": "functions",
    "log_softmax": "functions",
    "logsumexp": "functions",
    "nll": "losses",
    "sigmoid": "functions",
    "smooth_max": "functions",
    "soft_cross_entropy": "losses",
    "soft_cross_entropy_value_and_grad": "losses",
    "softmax": "functions",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'lastlayer' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lastlayer.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
