"""From scores to decisions: the most probable classes of each row, and rules that answer, with sets or "don't know"."""

from lastlayer.decision.abstain import Abstain
from lastlayer.decision.abstention_scores import ABSTENTION_SCORES, abstention_score
from lastlayer.decision.argmax import Argmax
from lastlayer.decision.choose_abstention import choose_abstention
from lastlayer.decision.choose_prediction_sets import choose_prediction_sets
from lastlayer.decision.choose_thresholds import choose_thresholds
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.least_cost import LeastCost, least_cost
from lastlayer.decision.linear_top_k import linear_top_k
from lastlayer.decision.prediction_sets import PredictionSets
from lastlayer.decision.prior_correction import correct_prior
from lastlayer.decision.rule_in_words import evidence_in_words, rule_in_words, threshold_in_words
from lastlayer.decision.rules import (
    RULE_ARRAYS,
    Rule,
    can_abstain,
    gives_sets,
    require_classes,
    rule_from_parts,
    rule_parts,
)
from lastlayer.decision.thresholds import Thresholds
from lastlayer.decision.top_k import TopK, top_k

__all__ = [
    "ABSTENTION_SCORES",
    "RULE_ARRAYS",
    "Abstain",
    "Argmax",
    "Evidence",
    "LeastCost",
    "PredictionSets",
    "Rule",
    "Thresholds",
    "TopK",
    "abstention_score",
    "can_abstain",
    "choose_abstention",
    "choose_prediction_sets",
    "choose_thresholds",
    "correct_prior",
    "evidence_in_words",
    "gives_sets",
    "least_cost",
    "linear_top_k",
    "require_classes",
    "rule_from_parts",
    "rule_in_words",
    "rule_parts",
    "threshold_in_words",
    "top_k",
]
