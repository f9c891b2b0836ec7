"""From a loss to its optimum."""

from lastlayer.solvers.design import DenseDesign, SparseDesign
from lastlayer.solvers.softmax_regression import Optimum, SoftmaxRegression, minimise
from lastlayer.solvers.standard_deviation import standard_deviations

__all__ = ["DenseDesign", "Optimum", "SoftmaxRegression", "SparseDesign", "minimise", "standard_deviations"]
