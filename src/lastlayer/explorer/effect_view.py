"""What another beta or another rule would do to the answers on the rows."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

import lastlayer as ll
from lastlayer.decision import ABSTENTION_SCORES, Abstain, Argmax, gives_sets, rule_in_words
from lastlayer.decision.rules import Rule
from lastlayer.explorer.effect_copies import effect_in_command, effect_in_python
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined, required
from lastlayer.explorer.fields import Choice, Number, OrNothing
from lastlayer.explorer.rows_at_beta import RowsAtBeta, rows_at_beta, sureness, unknown_label
from lastlayer.explorer.scores_view import LEAST_BETA, MOST_BETA
from lastlayer.report.numbers_as_text import amount, decimals, percent

RULES = ("model", "argmax", "abstain")

_FIELDS = {
    "beta": OrNothing(Number(LEAST_BETA, MOST_BETA)),
    "rule": Choice(RULES, default="model"),
    "by": Choice(ABSTENTION_SCORES, default="max_probability"),
    "threshold": Number(0.0, 1.0, default=0.5),
}


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    examined = required(examined)
    own, beta = float(examined.model.beta_), state["beta"]
    beta = own if beta is None else beta
    rule = _rule(state, examined)
    before, after = rows_at_beta(examined, own), rows_at_beta(examined, beta)
    figures = [_own_figures(examined), _figures(examined, after, beta, rule)]
    return {
        "beta": beta,
        "own_beta": own,
        "rule": rule_in_words(rule),
        "own_rule": rule_in_words(_own_rule(examined)),
        "labelled": after.evaluation is not None,
        "figures": [
            {"name": name, "about": about, "before": old, "after": new, "values": [value, moved]}
            for (name, about, value, old), (_, _, moved, new) in zip(*figures, strict=True)
        ],
        "reliability": {"before": _reliability(before), "after": _reliability(after)},
        "risk": _risk(after),
        "point": _point(after, figures[1]),
        "python": effect_in_python(examined, beta, rule),
        "command": effect_in_command(examined, is_own=beta == own and rule == _own_rule(examined)),
    }


def _rule(state, examined) -> Rule:
    if state["rule"] == "model":
        return _own_rule(examined)
    return Argmax() if state["rule"] == "argmax" else Abstain(state["threshold"], state["by"])


def _own_rule(examined) -> Rule:
    """The model's rule; where that answers with sets, the most probable class, as everywhere in this view."""
    rule = examined.model.decision_
    return Argmax() if gives_sets(rule) else rule


@lru_cache(maxsize=1)
def _own_figures(examined: Examined) -> list[tuple[str, str, float, str]]:
    """The figures of the model as it stands; the same at every step."""
    own = float(examined.model.beta_)
    return _figures(examined, rows_at_beta(examined, own), own, _own_rule(examined))


def _figures(examined: Examined, rows: RowsAtBeta, beta: float, rule: Rule) -> list[tuple[str, str, float, str]]:
    """(name, what it is, its value, the same as text) of every figure, in one order."""
    answers = _answers(examined, rows, beta, rule)
    evaluation, labels = rows.evaluation, examined.labels
    if evaluation is None or labels is None:
        return [
            _share("answered", "share of all rows", float((answers >= 0).mean())),
            _number("mean confidence", "the largest probability", float(rows.probabilities.max(axis=1).mean())),
        ]
    scores = sureness(examined, beta, rule.score) if isinstance(rule, Abstain) else None
    decided = ll.evaluate_decisions(answers, labels, unknown_label=unknown_label(labels), scores=scores)
    figures = [
        _share("answered", f"share of {amount(decided.rows)} rows", decided.answered),
        _share("don't know", "share of the same", 1 - decided.answered),
        _share("right of the answered", "share of them", decided.accuracy_answered, 2),
        _share("accuracy", "of the most probable class", evaluation.accuracy, 2),
        _number("ECE", "calibration error of the confidence", evaluation.ece),
        _number("log-loss", "mean -ln p of the label, in nats", evaluation.log_loss),
        _number("mean confidence", "the largest probability", evaluation.mean_confidence),
    ]
    if decided.unknown_rows:
        auroc = evaluation.unknown_auroc if scores is None else decided.unknown_auroc
        figures += [
            _share("answered of no class", f"of {amount(decided.unknown_rows)} rows", decided.unknown_answered),
            _number("AUROC of no class", "a row of a class is surer than one of none", auroc),
        ]
    return figures


def _share(name, about, value, digits=1):
    return name, about, value, percent(value, digits)


def _number(name, about, value):
    return name, about, value, decimals(value)


def _answers(examined, rows, beta, rule):
    if isinstance(rule, Abstain) and not isinstance(rule.threshold, np.ndarray):
        # As the rule itself does, but for the score, which is the same at every threshold.
        answers = rows.probabilities.argmax(axis=1)
        return np.where(sureness(examined, beta, rule.score) < rule.threshold, -1, answers)
    return rule.apply(rows.probabilities)


def _reliability(rows):
    """Points (mean confidence, accuracy, rows) of the bins that have rows."""
    if rows.evaluation is None:
        return []
    bins = rows.evaluation.reliability
    filled = bins.rows > 0
    return np.column_stack([bins.confidence[filled], bins.accuracy[filled], bins.rows[filled]]).tolist()


def _risk(rows):
    """Points (coverage, accuracy of the answered) as the threshold of the largest probability falls."""
    if rows.evaluation is None or rows.evaluation.risk_coverage is None:
        return []
    curve = rows.evaluation.risk_coverage
    return np.column_stack([curve.coverage, curve.accuracy]).tolist()


def _point(rows, figures):
    """(coverage, accuracy of the answered) of the rule; None where nothing is answered."""
    found = {name: value for name, _, value, _ in figures}
    if rows.evaluation is None or math.isnan(found["right of the answered"]):
        return None
    return [found["answered"], found["right of the answered"]]


EFFECT = (Endpoint("effect", "Figures of the rows at another beta and under another rule.", _FIELDS, _answer),)
