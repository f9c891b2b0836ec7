"""The classification output layer: from features or logits to calibrated probabilities and a decision.

Every public name is imported on first use (PEP 562), so that `import lastlayer` costs next to nothing. Type checkers
read __init__.pyi instead.
"""

from lastlayer import _first_use

_HOME = {
    # Folders that are used as such: ll.samplers.Uniform, ll.decision.Abstain.
    "decision": "",
    "samplers": "",
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

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"
__getattr__, __dir__ = _first_use.on_first_use(__name__, _HOME)
