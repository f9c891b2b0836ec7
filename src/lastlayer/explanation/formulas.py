"""The formulas of softmax with one row's own numbers."""

from typing import TYPE_CHECKING

from lastlayer.explanation.step_texts import power_of_ten, short

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

# Terms of a sum that a line has room for.
_FEW = 6


def formulas_of(explanation: "Explanation") -> list[tuple[str, str]]:
    """Pairs of a step and its formula for the label or, without one, for the first of the largest scores."""
    every, texts = explanation, explanation.texts()
    place = int(every.hardmax.argmax()) if every.label is None else every.label
    cells, largest = {step: column[place] for step, column in texts["steps"].items()}, texts["max"]["score"]
    beta, total = f"{every.beta:g}", texts["sum"]["shifted_exponential"]
    shifted = cells["shifted_exponential"]
    return [
        ("beta*score", f"{beta} * {_bracketed(cells['score'])} = {cells['beta_score']}"),
        ("exp", f"exp({cells['beta_score']}) = {cells['exponential']}"),
        ("shifted", f"exp({beta} * ({cells['score']} - {_bracketed(largest)})) = {shifted}"),
        ("sum", f"{_sum(texts['steps']['shifted_exponential'])} = {total}"),
        ("softmax", f"{shifted} / {total} = {cells['softmax']}"),
        ("-log p", f"-log {cells['softmax']} = {cells['loss']}"),
        (
            "without the shift",
            f"{cells['exponential']} / {power_of_ten(every.exponential_sum_log10)} = {short(every.softmax[place])}",
        ),
    ]


def _bracketed(cell: str) -> str:
    return f"({cell})" if cell.startswith("-") else cell


def _sum(cells: list[str]) -> str:
    if len(cells) <= _FEW:
        return " + ".join(cells)
    return f"{' + '.join(cells[: _FEW - 2])} + ... + {cells[-1]} ({len(cells):,} terms)"
