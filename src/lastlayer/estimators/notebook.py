"""What a notebook shows of a classifier: scikit-learn's own representation and, once fitted, a short summary."""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer._text import first_few
from lastlayer.decision import evidence_in_words, rule_in_words
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.report import escaped

# Columns that the names of classes and of features take at most.
_WIDTH = 72
_MOST = 1000

# Text takes the colour around it, so that light and dark pages are legible alike; a notebook may drop all of this.
_STYLE = (
    ".lastlayer-head{font-variant-numeric:tabular-nums;max-width:100%;overflow-x:auto}"
    ".lastlayer-head table{border-collapse:collapse;margin:.5rem 0 0;color:inherit}"
    ".lastlayer-head th,.lastlayer-head td{padding:.15rem .6rem;text-align:left;vertical-align:top;font-weight:400;"
    "background:none;color:inherit;white-space:normal;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".lastlayer-head th{opacity:.7;white-space:nowrap}"
)


class NotebookSummary:
    """Shows a fitted classifier with its summary; one that is not fitted as scikit-learn does."""

    if TYPE_CHECKING:
        # What the base class brings, for it is not typed.
        _repr_html_: Callable[[], str]

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
            raise NotImplementedError
    else:

        @property
        def _repr_html_(self):
            # scikit-learn's is a property, too: where it shows text, there is no such attribute.
            of_scikit_learn = super()._repr_html_
            return lambda: of_scikit_learn() + summary_as_html(self)

        def _repr_mimebundle_(self, **kwargs):
            bundle = super()._repr_mimebundle_(**kwargs)
            if "text/html" in bundle:
                bundle["text/html"] += summary_as_html(self)
            return bundle


def summary_as_html(model: Any) -> str:
    """A part of a document: a table of what is known of a fitted `model`; "" where it is not fitted."""
    if not hasattr(model, "coef_"):
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(text, _MOST)}</td></tr>'
        for name, text in summary_of(model)
    )
    return f'<div class="lastlayer-head"><style>{_STYLE}</style><table><tbody>{rows}</tbody></table></div>'


def summary_of(model: Any) -> list[tuple[str, str]]:
    """Pairs of a name and a text: what a fitted `model` tells apart, how it was made, and how it answers."""
    optimum, training = model.optimum_, model.training_
    columns = getattr(model, "feature_names_in_", None)
    pairs = [
        ("labels" if has_many_labels(model) else "classes", _counted(len(model.classes_), model.classes_.tolist())),
        ("features", _counted(model.n_features_in_, [] if columns is None else columns.tolist())),
        ("C", _c(model)),
    ]
    objective = "unknown" if np.isnan(optimum.objective) else f"{optimum.objective:.6f}"
    pairs.append(("objective", f"{objective}, {optimum.certificate()}"))
    if training.held_out_rows or np.any(model.beta_ != 1) or np.any(getattr(model, "bias_", 0.0) != 0):
        pairs.append(("beta", f"{_range(model.beta_)}{_calibrated(training)}"))
    pairs.append(("answers", rule_in_words(model.decision_)))
    if model.decision_.evidence is not None:
        pairs.append(("chosen on", evidence_in_words(model.decision_.evidence)))
    return [*pairs, ("trained", _trained(optimum, training))]


def _counted(count: int, names: list[Any]) -> str:
    return f"{count:,}: {first_few(names, _WIDTH)}" if names else f"{count:,}"


def _c(model: Any) -> str:
    if hasattr(model, "C_"):
        return f"{model.C_:g}, chosen among {len(model.Cs_):,}"
    return f"{model.C:g}" if isinstance(model.C, Real) else str(model.C)  # set_params takes anything


def _range(beta: Any) -> str:
    low, high = float(np.min(beta)), float(np.max(beta))
    return f"{low:.4f}" if np.size(beta) == 1 else f"{low:.4f} to {high:.4f}, one a label"


def _calibrated(training: Any) -> str:
    if not training.held_out_rows:
        return ""
    text = f"; calibrated on {training.held_out_rows:,} rows"
    if training.log_loss_before is None or training.log_loss_after is None:
        return text
    return f"{text}, log-loss {training.log_loss_before:.4f} before and {training.log_loss_after:.4f} after"


def _trained(optimum: Any, training: Any) -> str:
    """On which rows, in how many iterations, how long that took, and why it ended."""
    if optimum.stopped == "unknown":
        return "by another library"
    parts = [] if training.rows is None else [f"on {training.rows:,} rows"]
    if optimum.stopped == "partial_fit":
        return ", ".join([*parts, f"{optimum.iterations:,} steps of partial_fit"])
    unit = "iterations"
    if training.monitor_log_loss is not None:
        parts.append(f"{training.monitor_rows:,} of them held out at a log-loss of {training.monitor_log_loss:.4f}")
        unit = "passes over the rows"
    seconds = "" if np.isnan(optimum.seconds) else f", {optimum.seconds:.2f} seconds"
    return ", ".join([*parts, f"{optimum.iterations:,} {unit}{seconds} ({optimum.stopped})"])
