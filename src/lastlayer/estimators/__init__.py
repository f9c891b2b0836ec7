"""The scikit-learn facade: thin, it composes solvers, calibration, decision and storage.

Names are imported on first use: a model that answers needs no folds, and no pipeline.
"""

from lastlayer import _first_use

_HOME = {
    "CPath": "c_path",
    "ConstantLabelWarning": "fit_warnings",
    "FitInterrupted": "fit_warnings",
    "PathEndWarning": "c_path",
    "RuleDroppedWarning": "decision_rule",
    "ScalingWarning": "feature_scales",
    "SigmoidClassifier": "sigmoid_classifier",
    "SigmoidClassifierCV": "sigmoid_classifier_cv",
    "SoftmaxClassifier": "softmax_classifier",
    "SoftmaxClassifierCV": "softmax_classifier_cv",
    "TopKClasses": "top_k_classes",
    "Training": "training",
    "answers_of": "label_sets",
    "fold": "folded_pipeline",
    "load": "head_from_file",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = _first_use.on_first_use(__name__, _HOME)
