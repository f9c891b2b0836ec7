"""The scikit-learn facade: thin, it composes solvers, calibration, decision and storage."""

from lastlayer.estimators.c_path import CPath, PathEndWarning
from lastlayer.estimators.decision_rule import RuleDroppedWarning, is_default
from lastlayer.estimators.feature_scales import ScalingWarning
from lastlayer.estimators.fit_warnings import ConstantLabelWarning, FitInterrupted
from lastlayer.estimators.fold import fold
from lastlayer.estimators.label_sets import answers_of
from lastlayer.estimators.linear_head import has_many_labels
from lastlayer.estimators.load import load
from lastlayer.estimators.sigmoid_classifier import SigmoidClassifier
from lastlayer.estimators.sigmoid_classifier_cv import SigmoidClassifierCV
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier
from lastlayer.estimators.softmax_classifier_cv import SoftmaxClassifierCV
from lastlayer.estimators.sorted_classes import sorted_classes
from lastlayer.estimators.top_k_classes import TopKClasses
from lastlayer.estimators.training import Training

__all__ = [
    "CPath",
    "ConstantLabelWarning",
    "FitInterrupted",
    "PathEndWarning",
    "RuleDroppedWarning",
    "ScalingWarning",
    "SigmoidClassifier",
    "SigmoidClassifierCV",
    "SoftmaxClassifier",
    "SoftmaxClassifierCV",
    "TopKClasses",
    "Training",
    "answers_of",
    "fold",
    "has_many_labels",
    "is_default",
    "load",
    "sorted_classes",
]
