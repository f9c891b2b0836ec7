"""A slider over thresholds, and what each of them answers: numbers from counts that the page carries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.report.numbers_as_text import amount, decimals, percent
from lastlayer.report.threshold_stops import ThresholdStops

_DIGITS = 6


class Output(NamedTuple):
    """A number that the slider moves.

    key: its name in the script. name, meaning: what it is called, and what it counts. value: it, where the slider
    begins.
    """

    key: str
    name: str
    meaning: str
    value: str


def explorer(stops: ThresholdStops, default: float = 0.0) -> tuple[str, dict[str, Any]]:
    """The controls as HTML, with the numbers of threshold `default`, and the data that they work on."""
    place = max(0, int(np.searchsorted(stops.threshold, default, side="right")) - 1)
    answered, right, unknown = stops.answered[place], stops.right[place], stops.unknown[place]
    rows = [
        Output("coverage", "Coverage", "rows that get an answer", percent(answered / stops.rows)),
        Output("precision", "Precision", "answers that are right", percent(right / max(answered + unknown, 1e-300))),
        Output("recall", "Recall", "rows that get the right answer", percent(right / stops.rows)),
    ]
    if stops.unknown_rows:
        share = percent(unknown / stops.unknown_rows)
        rows.append(Output("unknown", "Unknown answered", "rows of no class that get an answer", share))
    all_rows = stops.rows + stops.unknown_rows
    false = answered - right + unknown
    rows += [
        Output("false", "False answers", f"of {amount(all_rows)} rows", amount(false)),
        Output("silent", "“Don't know”", f"of {amount(all_rows)} rows", amount(all_rows - answered - unknown)),
        Output("cost", "Cost a row", "by the costs above", decimals(float(false / all_rows))),
    ]
    costs = (("a false answer", "1"), ("a “don't know”", "0.2"))
    data = {
        "kind": "answers",
        "threshold": stops.threshold.tolist(),
        "answered": few_digits(stops.answered),
        "right": few_digits(stops.right),
        "unknown": few_digits(stops.unknown) if stops.unknown_rows else None,
        "rows": few_digits(stops.rows),
        "unknownRows": few_digits(stops.unknown_rows),
    }
    return controls(rows, costs, stops.threshold, place, "Answer from this confidence on"), data


def controls(
    outputs: Sequence[Output],
    costs: Sequence[tuple[str, str]],
    thresholds: NDArray[np.float64],
    place: int,
    prompt: str,
) -> str:
    """The slider over `thresholds`, at `place`, the costs of two kinds of errors, and the numbers."""
    weights = "".join(
        f'<label>Cost of {name} <input type="number" min="0" step="any" value="{value}" data-cost="{number}"></label>'
        for number, (name, value) in enumerate(costs)
    )
    cells = "".join(
        f'<div><dt>{name}</dt><dd><b data-out="{key}">{value}</b><small>{meaning}</small></dd></div>'
        for key, name, meaning, value in outputs
    )
    return (
        '<div class="explorer"><div class="controls"><p class="slide"><label for="threshold">'
        f'{prompt}: <output for="threshold" data-out="threshold">{thresholds[place]:.3f}</output></label>'
        f'<input type="range" id="threshold" min="0" max="{len(thresholds) - 1}" step="1" value="{place}"></p>'
        f'<p class="costs">{weights}<button type="button" data-least="">Go to the least cost</button></p></div>'
        f'<dl class="figures live" aria-live="off">{cells}</dl>'
        "<noscript><p>The slider needs JavaScript; these numbers are those of one threshold.</p></noscript></div>"
    )


def few_digits(values: Any) -> Any:
    """Whole numbers as such, others in few digits; of an array a list."""
    rounded = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(rounded, list):
        return [few_digits(value) for value in rounded]
    return int(rounded) if float(rounded).is_integer() else float(f"{rounded:.{_DIGITS}g}")
