"""The scikit-learn facade: thin, it composes solvers, calibration, decision and storage."""

from lastlayer.estimators.load import load
from lastlayer.estimators.softmax_classifier import FitInterrupted, SoftmaxClassifier, TopKClasses

__all__ = ["FitInterrupted", "SoftmaxClassifier", "TopKClasses", "load"]
