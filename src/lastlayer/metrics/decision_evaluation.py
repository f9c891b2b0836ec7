"""How good are the answers of a decision rule, "don't know" among them?"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from lastlayer._arrays import Number, as_float_array, refuse_foreign
from lastlayer._json import json_text, json_value
from lastlayer.decision.least_cost import as_cost
from lastlayer.metrics.decided_rows import DecidedRows, decided_rows
from lastlayer.metrics.odds_cells import area_under_roc
from lastlayer.metrics.text_table import decimals, line

# How surely the interval of the accuracy holds.
_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class DecisionEvaluation:
    """How good the answers to N rows are, each a class or "don't know". Every share is one of the rows, weighted.

    Attributes:
      rows: N; rows of weight 0 do not count, nor those of no class.
      answered: share of the rows that are answered.
      accuracy_answered: share of those whose answer is right; NaN if none is answered.
      accuracy_interval: (lowest, highest) of that with a confidence of 0.95, exact for independent rows; (0, 1) if none
        is answered, None of weighted rows. Source: Clopper & Pearson 1934.
      accuracy: share of all rows that are answered rightly.
      mean_cost: of a row, in the unit of the costs; NaN where none were given.
      unknown_rows: how many rows belong to no class; None where `unknown_label` was not given.
      unknown_answered: share of those that are answered, all of them wrongly; NaN without such rows.
      unknown_auroc: the chance that a row of a class has a higher score than a row of none, equals counting half; NaN
        where no scores were given, or without such rows.
    """

    rows: int
    answered: float
    accuracy_answered: float
    accuracy_interval: tuple[float, float] | None
    accuracy: float
    mean_cost: float
    unknown_rows: int | None
    unknown_answered: float
    unknown_auroc: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as what JSON can hold: its attributes, after a "schema" of 1; what is undefined is None."""
        return json_value({"schema": 1} | {field.name: getattr(self, field.name) for field in fields(self)})

    def to_json(self, *, indent: int | None = None) -> str:
        """The evaluation as strict JSON text, with `indent` spaces a level, or on one line; see `to_dict`."""
        return json_text(self.to_dict(), indent=indent)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, DecisionEvaluation) else NotImplemented

    def __str__(self) -> str:
        interval = self.accuracy_interval
        between = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f} at {100 * _CONFIDENCE:g} %"
        lines = [
            ("rows", f"{self.rows:,}", "weighted" if interval is None else ""),
            ("answered", decimals(self.answered), ""),
            ("  right of those", decimals(self.accuracy_answered), between),
            ("  right of all", decimals(self.accuracy), ""),
        ]
        if not np.isnan(self.mean_cost):
            lines.append(("mean cost", f"{self.mean_cost:.6g}", "of a row"))
        if self.unknown_rows is not None:
            lines.append(("rows of no class", f"{self.unknown_rows:,}", "in no figure above"))
            lines.append(("  answered", decimals(self.unknown_answered), ""))
            if not np.isnan(self.unknown_auroc):
                lines.append(("  AUROC", decimals(self.unknown_auroc), "score of the others above theirs"))
        return "\n".join(map(line, lines))


def evaluate_decisions(
    decisions: ArrayLike,
    labels: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    cost: ArrayLike | None = None,
    abstain_cost: Number | None = None,
    unknown_label: object = None,
    scores: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> DecisionEvaluation:
    """How often a rule answers, how often it is right then, and what it costs.

    Args:
      decisions: (N,) integers, the index of the class that is the answer, or -1 for "don't know", as rules of
        `lastlayer.decision` give them.
      labels: (N,) integers 0..K-1, or members of `classes` where that is given.
      classes: (K,) distinct names, integers or booleans, the meaning of the indices; None for just numbers.
      cost: (K, K) finite; cost[y, a] is that of answering a where the truth is y. None where nothing is to be costed.
      abstain_cost: that of "don't know", in the same unit; needed beside `cost` if any row is not answered.
      unknown_label: the label of rows that belong to no class, which are counted apart; None where there are none.
      scores: (N,) by which the rule abstains, as `lastlayer.decision.abstention_score` gives them; None where how well
        they tell rows of no class is not asked.
      sample_weight: (N,) weights >= 0; a row of weight 0 is as good as absent.
    Returns: a `DecisionEvaluation`, which defines each figure.
    Raises: ValueError for other shapes, a decision or a label that is no class, naming the row, or no rows; TypeError
      for arrays of the wrong kind.
    >>> result = evaluate_decisions([0, 1, -1, 1], [0, 1, 1, 0], cost=[[0, 1], [10, 0]], abstain_cost=2)
    >>> result.answered, round(result.accuracy_answered, 4), result.mean_cost
    (0.75, 0.6667, 0.75)
    """
    refuse_foreign(decisions, "decisions")
    given = np.asarray(decisions)
    if given.ndim != 1:
        raise ValueError(
            f"decisions: shape is {given.shape}, expected (N,), an answer for each row; sets go to evaluate_sets."
        )
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f'decisions: dtype is {given.dtype}, expected class indices, or -1 for "don\'t know".')
    costs = None if cost is None else as_cost(cost)
    num_classes = None if costs is None else len(costs)
    rows = decided_rows(labels, len(given), classes, num_classes, unknown_label, sample_weight, "decisions")
    given = given.astype(np.int64)
    if num_classes is None and classes is not None:
        num_classes = np.size(classes)
    _require_answers(given, np.concatenate([rows.known, rows.unknown]), num_classes)
    answers, truth, weight = given[rows.known], rows.labels[rows.known], rows.weight[rows.known]
    total, answered = float(weight.sum()), answers >= 0
    right = answered & (answers == truth)
    weight_answered, weight_right = float(weight[answered].sum()), float(weight[right].sum())
    interval = None
    if sample_weight is None:
        interval = clopper_pearson(int(right.sum()), int(answered.sum()))
    of_unknown = rows.weight[rows.unknown]
    auroc = math.nan
    if scores is not None and of_unknown.size:
        auroc = _auroc(scores, rows)
    return DecisionEvaluation(
        rows=len(answers),
        answered=weight_answered / total,
        accuracy_answered=weight_right / weight_answered if weight_answered else float("nan"),
        accuracy_interval=interval,
        accuracy=weight_right / total,
        mean_cost=float("nan") if costs is None else _mean_cost(costs, abstain_cost, answers, truth, weight),
        unknown_rows=None if unknown_label is None else len(rows.unknown),
        unknown_answered=(
            float(of_unknown[given[rows.unknown] >= 0].sum() / of_unknown.sum()) if of_unknown.size else float("nan")
        ),
        unknown_auroc=auroc,
    )


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """The interval of a share that holds it with a confidence of at least 0.95, whatever it is."""
    tail = (1 - _CONFIDENCE) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def _auroc(scores: ArrayLike, rows: DecidedRows) -> float:
    values = as_float_array(scores, "scores")
    if values.shape != rows.labels.shape:
        raise ValueError(f"scores: shape is {values.shape}, expected {rows.labels.shape}, one for each row.")
    counted = np.concatenate([rows.known, rows.unknown])
    if not np.isfinite(values[counted]).all():
        row = int(counted[~np.isfinite(values[counted])].min())
        raise ValueError(f"scores: row {row} is {values[row]}, expected a finite number.")
    ranks = np.unique(values, return_inverse=True)[1]
    known, unknown = np.zeros((2, int(ranks.max()) + 1))
    np.add.at(known, ranks[rows.known], rows.weight[rows.known])
    np.add.at(unknown, ranks[rows.unknown], rows.weight[rows.unknown])
    return area_under_roc(unknown, known)


def _require_answers(decisions, rows, num_classes):
    wrong = decisions[rows] < -1
    if num_classes is not None:
        wrong |= decisions[rows] >= num_classes
    if wrong.any():
        row = int(rows[wrong].min())
        classes = "a class index" if num_classes is None else f"0 to {num_classes - 1}"
        raise ValueError(f'decisions: row {row} is {decisions[row]}, expected {classes}, or -1 for "don\'t know".')


def _mean_cost(costs, abstain_cost, answers, truth, weight):
    answered = answers >= 0
    each = np.empty(len(answers))
    each[answered] = costs[truth[answered], answers[answered]]
    if not answered.all():
        if abstain_cost is None or not np.isfinite(abstain_cost):
            raise ValueError(
                f'abstain_cost: received {abstain_cost!r}, expected a finite number, the cost of "don\'t know", which '
                f"{int((~answered).sum()):,} rows get."
            )
        each[~answered] = abstain_cost
    return float(weight @ each / weight.sum())
