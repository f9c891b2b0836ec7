"""Scores to probabilities."""

from lastlayer.functions.hardmax import hardmax
from lastlayer.functions.log_softmax import log_softmax
from lastlayer.functions.logsumexp import logsumexp, smooth_max
from lastlayer.functions.sigmoid import log_sigmoid, sigmoid
from lastlayer.functions.softmax import softmax

__all__ = ["hardmax", "log_sigmoid", "log_softmax", "logsumexp", "sigmoid", "smooth_max", "softmax"]
