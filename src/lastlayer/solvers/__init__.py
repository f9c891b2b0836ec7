"""From a loss to its optimum."""

from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.feature_basis import FeatureBasis
from lastlayer.solvers.penalty_path import PenaltyPath
from lastlayer.solvers.row_adagrad import RowAdaGrad
from lastlayer.solvers.sampled_softmax import SampledSoftmaxRegression, SampledState, descend
from lastlayer.solvers.softmax_regression import Optimum, SoftmaxRegression, minimise
from lastlayer.solvers.standard_deviation import standard_deviations

__all__ = [
    "Curvature",
    "FeatureBasis",
    "Optimum",
    "PenaltyPath",
    "RowAdaGrad",
    "SampledSoftmaxRegression",
    "SampledState",
    "SoftmaxRegression",
    "descend",
    "minimise",
    "standard_deviations",
]
