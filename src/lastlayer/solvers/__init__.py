"""From a loss to its optimum."""

from lastlayer.solvers.softmax_regression import Optimum, SoftmaxRegression, minimise
from lastlayer.solvers.standard_deviation import standard_deviations

__all__ = ["Optimum", "SoftmaxRegression", "minimise", "standard_deviations"]
