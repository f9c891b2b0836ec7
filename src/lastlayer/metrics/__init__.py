"""How good is it? Probabilities and labels in, one frozen, printable, serialisable evaluation out."""

from lastlayer._indicator import as_indicator
from lastlayer.metrics.accumulator import EvaluationAccumulator, evaluate
from lastlayer.metrics.class_index import ClassIndex
from lastlayer.metrics.decision_evaluation import DecisionEvaluation, evaluate_decisions
from lastlayer.metrics.evaluated_rows import NoDistributionError
from lastlayer.metrics.evaluation import Evaluation
from lastlayer.metrics.evaluation_detail import DetailedAccumulator, EvaluationDetail
from lastlayer.metrics.label_accumulator import LabelEvaluationAccumulator, evaluate_labels
from lastlayer.metrics.label_detail import DetailedLabelAccumulator, LabelDetail
from lastlayer.metrics.label_evaluation import LabelEvaluation
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability
from lastlayer.metrics.risk_coverage import RiskCoverage
from lastlayer.metrics.set_evaluation import SetEvaluation, evaluate_sets

__all__ = [
    "ClassIndex",
    "DecisionEvaluation",
    "DetailedAccumulator",
    "DetailedLabelAccumulator",
    "Evaluation",
    "EvaluationAccumulator",
    "EvaluationDetail",
    "LabelDetail",
    "LabelEvaluation",
    "LabelEvaluationAccumulator",
    "NoDistributionError",
    "PerClass",
    "Reliability",
    "RiskCoverage",
    "SetEvaluation",
    "as_indicator",
    "evaluate",
    "evaluate_decisions",
    "evaluate_labels",
    "evaluate_sets",
]
