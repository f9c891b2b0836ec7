"""From a loss to its optimum."""

from lastlayer.solvers.design import DenseDesign, SparseDesign
from lastlayer.solvers.softmax_regression import Optimum, SoftmaxRegression, minimise

__all__ = ["DenseDesign", "Optimum", "SoftmaxRegression", "SparseDesign", "minimise"]
