"""What "copy as Python" and "copy as command" give of the effect of another beta or another rule."""

import shlex

import numpy as np

from lastlayer.decision import Abstain, Argmax
from lastlayer.decision.rules import Rule
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.rows_copies import table_options
from lastlayer.explorer.rows_in_python import labels_in_python, reading_in_python, scores_in_python


def effect_in_python(examined: Examined, beta: float, rule: Rule) -> str:
    """A program that makes the figures of the rows at `beta` and under `rule`."""
    made = "model.decision_"
    if isinstance(rule, Argmax):
        made = "ll.decision.Argmax()"
    elif isinstance(rule, Abstain) and not isinstance(rule.threshold, np.ndarray):
        made = f"ll.decision.Abstain({rule.threshold!r}, {rule.score!r})"
    lines = [
        *reading_in_python(examined, others=examined.labels is not None),
        *scores_in_python(examined),
        "scores = scores.astype(np.float32)",  # as this view keeps them
        *(labels_in_python(examined) if examined.labels is not None else ()),
        f"probabilities = ll.softmax(scores, beta={beta!r})",
        f"rule = {made}",
        "answers = rule.apply(probabilities)",
    ]
    if examined.labels is None:
        lines += ["answered = (answers >= 0).mean()", "mean_confidence = probabilities.max(axis=1).mean()"]
    else:
        scores = ""
        if isinstance(rule, Abstain):
            lines.append("sureness = abstention_score(probabilities, rule.score)")
            scores = ", scores=sureness"
        lines += [
            "evaluation = ll.evaluate(probabilities, labels, unknown_label=-1)",
            f"decided = ll.evaluate_decisions(answers, labels, unknown_label=-1{scores})",
            "print(evaluation, decided, sep='\\n\\n')",
        ]
    return "\n".join(lines) + "\n"


def effect_in_command(examined: Examined, *, is_own: bool) -> str:
    """The command that gives the figures of the model as it stands, which it says where these are others.

    Args:
      examined: a model and rows.
      is_own: whether the figures are those of the model's own beta and rule.
    """
    command = _command_of_rows(examined)
    if is_own:
        return command
    return f"# No command takes another beta or rule; this gives the figures of the model as it stands.\n{command}"


def _command_of_rows(examined):
    words = ["lastlayer", "predict", examined.model_path, *examined.data_paths, "--top", "1"]
    note = ""
    if examined.labels is not None and examined.label_column is not None:
        words = ["lastlayer", "evaluate", examined.model_path, *examined.data_paths, "--label", examined.label_column]
        strange = sorted({str(name) for name in examined.columns[examined.label_column].filter(examined.labels < 0)})
        if len(strange) == 1:
            words += ["--unknown-label", strange[0]]
        elif strange:
            note = f"# It refuses {len(strange):,} labels that are no class; leave out all but one with --where.\n"
    return note + shlex.join([*words, *table_options(examined)])
