"""The classification output layer: from features or logits to calibrated probabilities and a decision.

Every public name is imported on first use (PEP 562), so that `import lastlayer` costs next to nothing. Type checkers
read __init__.pyi instead.
"""

import importlib

_HOME = {
    "Calibration": "calibration",
    "DecisionEvaluation": "metrics",
    "Evaluation": "metrics",
    "EvaluationAccumulator": "metrics",
    "LabelEvaluation": "metrics",
    "LabelEvaluationAccumulator": "metrics",
    "SetEvaluation": "metrics",
    "SoftmaxClassifier": "estimators",
    "SigmoidClassifier": "estimators",
    "SigmoidClassifierCV": "estimators",
    "ConstantLabelWarning": "estimators",
    "SoftmaxClassifierCV": "estimators",
    "Explanation": "explanation",
    "FitInterrupted": "estimators",
    "PathEndWarning": "estimators",
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
    "evaluate_decisions": "metrics",
    "evaluate_labels": "metrics",
    "evaluate_sets": "metrics",
    "explain": "explanation",
    "fit_calibration": "calibration",
    "fit_temperature": "calibration",
    "fold": "estimators",
    "hardmax": "functions",
    "linear_cross_entropy": "losses",
    "linear_cross_entropy_value_and_grad": "losses",
    "linear_softmax_statistics": "losses",
    "load": "estimators",
    "load_calibration": "storage",
    "log_sigmoid": "functions",
    "log_softmax": "functions",
    "logsumexp": "functions",
    "nll": "losses",
    "sampled_binary_cross_entropy": "losses",
    "sampled_binary_cross_entropy_value_and_grad": "losses",
    "sampled_cross_entropy": "losses",
    "sampled_cross_entropy_value_and_grad": "losses",
    "save_calibration": "storage",
    "sigmoid": "functions",
    "smooth_max": "functions",
    "soft_cross_entropy": "losses",
    "soft_cross_entropy_value_and_grad": "losses",
    "softmax": "functions",
}

# Folders that are used as such: ll.samplers.Uniform, ll.decision.Abstain.
_FOLDERS = ("decision", "samplers")

__all__ = sorted([*_HOME, *_FOLDERS])  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"


def __getattr__(name):
    if name in _FOLDERS:
        return importlib.import_module(f"lastlayer.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lastlayer' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lastlayer.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
