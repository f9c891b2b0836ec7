"""Many classes: a loss of a few drawn classes in place of all of them, over redraws."""

import math
from typing import Any

import numpy as np

from lastlayer.explanation import short
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Choice, Field, Flag, OrNothing, Refused, Whole
from lastlayer.explorer.sampling_copies import as_python
from lastlayer.explorer.sampling_setting import CORRECTIONS, SAMPLERS, losses_of_draws, sampler_of, setting_of
from lastlayer.samplers import Candidates

MOST_CLASSES = 1_000_000

FIELDS: dict[str, Field] = {
    "classes": Whole(2, MOST_CLASSES, default=10_000),
    "candidates": Whole(1, MOST_CLASSES, default=100),
    "sampler": Choice(SAMPLERS, default="LogUniform"),
    # Nothing: one that is neither common nor rare, whatever K is.
    "label": OrNothing(Whole(0, MOST_CLASSES - 1)),
    "remove": Flag(default=True),
    "seed": Whole(0, 999_999, default=0),
}

# Redraws, and how many candidates all of them have together where that makes fewer.
_FEWEST_REDRAWS, _MOST_REDRAWS, _MOST_DRAWN = 3, 100, 200_000
_BINS, _TICKS, _ROWS = 48, 1000, 12


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    num_classes, remove = state["classes"], state["remove"]
    label = math.isqrt(num_classes) if state["label"] is None else state["label"]
    if label >= num_classes:
        raise Refused("label", f"received {label:,}, but there are {num_classes:,} classes (0 to {num_classes - 1:,})")
    setting, draws = setting_of(num_classes, state["seed"], label), _draws(state)
    losses = losses_of_draws(setting, draws, remove)
    low = min(setting.full_loss, *(each.min() for each in losses.values()))
    high = max(setting.full_loss, *(each.max() for each in losses.values()))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return {
        "every": _every(state),
        "label": label,
        "full": setting.full_loss,
        "least": low,
        "most": high,
        "corrections": {
            name: {
                "first": float(losses[name][0]),
                "mean": float(losses[name].mean()),
                "histogram": np.histogram(losses[name], _BINS, (low, high))[0].tolist(),
            }
            for name in CORRECTIONS
        },
        "ticks": np.unique(_places(draws[0].indices, num_classes)).tolist(),
        "label_tick": int(_places(np.array(label), num_classes)),
        "rows": _rows(setting, draws[0], remove),
        "text": {
            "full": short(setting.full_loss),
            "least": short(low),
            "most": short(high),
            "corrections": {name: _cells(losses[name], setting.full_loss) for name in CORRECTIONS},
            "drawn": _about_draw(setting, draws[0], num_classes),
            "redraws": _about_redraws(len(draws), setting),
            "sum": _about_sum(setting, losses["once"], remove),
        },
        "python": as_python(state, label),
        "command": None,
    }


def _draws(state):
    num_classes, count = state["classes"], state["candidates"]
    if count >= num_classes:
        # What a sampler gives then, with a warning: all classes, each expected once.
        return [Candidates(np.arange(num_classes), np.zeros(num_classes), lambda labels: np.zeros(labels.shape))]
    sampler = sampler_of(state["sampler"], num_classes, state["seed"])
    redraws = max(_FEWEST_REDRAWS, min(_MOST_REDRAWS, _MOST_DRAWN // count))
    return [sampler.sample(count) for _ in range(redraws)]


def _every(state):
    """A sentence where no class is left out, else nothing."""
    if state["candidates"] < state["classes"]:
        return ""
    if state["remove"]:
        return "S reaches K: every class is taken once. This is the full softmax, and all losses are the full loss."
    return "S reaches K: every class is taken once, but the label twice, as hits are kept: no loss is the full loss."


def _about_draw(setting, drawn, num_classes):
    count = len(drawn.indices)
    expected = short(np.exp(drawn.log_expected_count_of(np.array([setting.label]))[0]))
    what = "is" if (drawn.indices == setting.label).any() else "is not"
    return (
        f"Blue: drawn, {count:,} of {num_classes:,} classes ({100 * count / num_classes:.3g} %), from the commonest to "
        f"the rarest by the logarithm of the rank. Orange: the label, class {setting.label:,}, which {what} among "
        f"them; it is expected {expected} times in a draw."
    )


def _about_redraws(redraws, setting):
    drawn = "One draw, as there is no other" if redraws == 1 else f"{redraws} draws of one sampler"
    return f"{drawn}. The orange line is the full loss, {short(setting.full_loss)} nats; the three share one axis."


def _about_sum(setting, losses, remove):
    """What the sum of exponentials estimates: a loss whose label counts once is its logarithm, but for the label's."""
    found = f"Here sampled sum / full sum is {_with_error(np.exp(losses - setting.full_loss))}"
    if remove:
        return (
            f"{found}; its mean over all draws that there could be is 1. The loss is a logarithm of the sum, so that "
            "its own mean lies below the full loss, by less the more candidates."
        )
    p = short(np.exp(-setting.full_loss))
    return (
        f"{found}; its mean over all draws that there could be is 1 + p = 1 + {p}: a kept hit counts the label again."
    )


def _cells(losses, full):
    bias = float(losses.mean()) - full
    return [
        short(losses[0]),
        _with_error(losses),
        ("+" if bias > 0 else "") + short(bias),
        short(losses.std(ddof=1)) if len(losses) > 1 else "-",
    ]


def _with_error(values):
    """The mean, and its standard error where there are several."""
    mean = short(values.mean())
    return f"{mean} ± {short(values.std(ddof=1) / len(values) ** 0.5)}" if len(values) > 1 else mean


def _places(classes, num_classes):
    """Where classes lie from 0 to _TICKS, by the logarithm of their ranks."""
    return np.rint(_TICKS * np.log1p(classes) / math.log(num_classes)).astype(np.int64)


def _rows(setting, drawn, remove):
    """Candidates from the first to the last, as text, with the label where it is one."""
    indices = drawn.indices
    places = set(np.linspace(0, len(indices) - 1, min(_ROWS, len(indices))).astype(int).tolist())
    places |= set(np.flatnonzero(indices == setting.label).tolist())
    rows = []
    for place in sorted(places):
        k, log_count = int(drawn.indices[place]), float(drawn.log_expected_count[place])
        is_hit = k == setting.label
        after = "-inf" if is_hit and remove else short(setting.logits[k] - log_count)
        cells = [f"{k:,}", short(math.exp(log_count)), short(log_count), short(setting.logits[k]), after]
        rows.append({"cells": cells, "hit": is_hit})
    return rows


SAMPLING = Endpoint("sampling", "Full and sampled loss over redraws.", FIELDS, _answer)
