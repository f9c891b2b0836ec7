"""From a loss to its optimum."""

from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.feature_basis import FeatureBasis
from lastlayer.solvers.label_path import LabelPath
from lastlayer.solvers.local_labels import LocalLabels
from lastlayer.solvers.local_rows import LocalRows
from lastlayer.solvers.optimum import Optimum
from lastlayer.solvers.penalty_path import PenaltyPath
from lastlayer.solvers.row_adagrad import RowAdaGrad
from lastlayer.solvers.sampled_softmax import SampledSoftmaxRegression, SampledState, descend
from lastlayer.solvers.sigmoid_regression import SigmoidHead, SigmoidRegression, blocks_of, minimise_labels
from lastlayer.solvers.softmax_regression import SoftmaxRegression, minimise
from lastlayer.solvers.softmax_search import SearchState
from lastlayer.solvers.standard_deviation import MomentsOfRows, deviations_of, scale_of, standard_deviations
from lastlayer.solvers.training_rows import Line, Slope, TrainingRows, Uncertainty

__all__ = [
    "Curvature",
    "FeatureBasis",
    "LabelPath",
    "Line",
    "LocalLabels",
    "LocalRows",
    "MomentsOfRows",
    "Optimum",
    "PenaltyPath",
    "RowAdaGrad",
    "SampledSoftmaxRegression",
    "SampledState",
    "SearchState",
    "SigmoidHead",
    "SigmoidRegression",
    "Slope",
    "SoftmaxRegression",
    "TrainingRows",
    "Uncertainty",
    "blocks_of",
    "descend",
    "deviations_of",
    "minimise",
    "minimise_labels",
    "scale_of",
    "standard_deviations",
]
