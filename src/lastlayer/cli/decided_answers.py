"""The answers of a model's decision rule, gathered beside its evaluation and judged."""

from typing import Any

import click
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._json import json_text
from lastlayer.cli.decision_document import decision_document
from lastlayer.cli.printing import print_document
from lastlayer.decision import Abstain, LeastCost, Rule, abstention_score, gives_sets, rule_in_words
from lastlayer.metrics import (
    DecisionEvaluation,
    Evaluation,
    LabelEvaluation,
    SetEvaluation,
    evaluate_decisions,
    evaluate_sets,
)


class DecidedAnswers:
    """Takes probabilities block by block and gives what the rule's answers are worth; memory grows with the rows."""

    def __init__(self, rule: Rule, classes: NDArray[Any], unknown_label: object):
        """Take the rule of a model of one label a row, its classes, and the label of rows of no class or None."""
        self.rule: Rule = rule
        self._classes, self._unknown_label = classes, unknown_label
        self._blocks: list[tuple[Any, NDArray[Any], NDArray[np.float64]]] = []
        self._scores: list[NDArray[np.float64]] = []
        self._is_weighted = False

    def add(self, probabilities: NDArray[Any], labels: NDArray[Any], weights: NDArray[np.float64] | None) -> None:
        """Add (n, K) probabilities, their (n,) labels and weights."""
        answers = self.rule.apply(probabilities)
        if isinstance(self.rule, Abstain):
            self._scores.append(abstention_score(probabilities, self.rule.score))
        self._is_weighted |= weights is not None
        weights = np.ones(len(labels)) if weights is None else weights
        self._blocks.append((sp.csr_array(answers) if answers.ndim == 2 else answers, labels, weights))

    def result(self) -> DecisionEvaluation | SetEvaluation:
        """How good the answers are."""
        answers, labels, weights = zip(*self._blocks, strict=True)
        given: dict[str, Any] = {
            "classes": self._classes,
            "unknown_label": self._unknown_label,
            "sample_weight": np.concatenate(weights) if self._is_weighted else None,
        }
        if gives_sets(self.rule):
            return evaluate_sets(sp.vstack(answers, format="csr"), np.concatenate(labels), **given)
        if isinstance(self.rule, Abstain):
            given["scores"] = np.concatenate(self._scores)
        if isinstance(self.rule, LeastCost):
            given |= {"cost": self.rule.cost, "abstain_cost": self.rule.abstain_cost}
        return evaluate_decisions(np.concatenate(answers), np.concatenate(labels), **given)


def print_evaluation(
    evaluation: Evaluation | LabelEvaluation, decided: DecidedAnswers | None, *, as_json: bool
) -> None:
    """Print an evaluation and what a rule's answers are worth, as text or one JSON document."""
    if decided is None:
        print_document(evaluation.to_json()) if as_json else click.echo(str(evaluation))
    elif as_json:
        document = evaluation.to_dict() | {"decision": decision_document(decided.rule)}
        print_document(json_text(document | {"decided": decided.result().to_dict()}))
    else:
        click.echo(f"{evaluation}\n\n{rule_in_words(decided.rule)}:\n{decided.result()}")
