"""`lastlayer explain`: every step from scores to probabilities, with the library's own numbers."""

import math

import click
import numpy as np

import lastlayer as ll
from lastlayer._text import shown
from lastlayer.cli.arguments import CommandWithExamples
from lastlayer.cli.printing import print_json, print_table

_LARGEST_PLAIN = 1e7
_LARGEST_POWER = math.log10(np.finfo(np.float64).max)
_LEGEND = (
    "exp      exp(beta*score); inf above 10^38.53 in float32, 10^308.25 in float64\n"
    "shifted  exp(beta*(score - max)), never above 1; softmax is this over its sum"
)


@click.command(
    "explain",
    cls=CommandWithExamples,
    context_settings={"ignore_unknown_options": True},
    examples=[
        "lastlayer explain 2.0 1.0 0.1",
        "lastlayer explain 2.0 1.0 0.1 --classes cat,dog,cow --label cat",
        "lastlayer explain 0.95 0.99 0.98 --beta 500",
        "lastlayer explain -1.5 -inf 2 --json",
    ],
)
@click.argument("scores", nargs=-1, required=True, metavar="SCORE...")
@click.option("--beta", default=1.0, help="Inverse temperature, greater than 0.", show_default=True)
@click.option("--label", help="The right class, by number or name: shows its loss.")
@click.option("--classes", help="Names of the classes, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(scores: tuple[str, ...], beta: float, label: str | None, classes: str | None, as_json: bool) -> None:
    """Show every step from scores to probabilities.

    Scores may be negative; -inf marks a class as impossible.
    """
    values = np.array([_score(text) for text in scores])
    if values.max() == -math.inf:
        raise click.UsageError("SCORE: every class is impossible (-inf), expected at least one finite score")
    if not (math.isfinite(beta) and beta > 0):
        raise click.UsageError(f"--beta: received {beta:g}, expected a finite number greater than 0")
    names = _names(classes, len(values))
    index = None if label is None else _index(label, names)
    steps = _steps(values, beta)
    if as_json:
        print_json(_document(steps, names, beta, index))
        return
    _print_steps(steps, names)
    largest = steps["exponential_log10"].max()
    kinds = [dtype.__name__ for dtype in (np.float32, np.float64) if largest > math.log10(np.finfo(dtype).max)]
    if kinds:
        click.echo(f"exp({_short(steps['beta_score'].max())}) = {_power(largest)} is inf in {' and '.join(kinds)}")
    if index is not None:
        click.echo(
            f"loss of {shown(names[index])} = -log {_short(steps['softmax'][index])} = {_short(steps['loss'][index])}"
        )
    click.echo(_LEGEND)


def _score(text):
    try:
        value = float(text)
    except ValueError:
        raise click.UsageError(f"SCORE: received {text!r}, expected a number such as 2.0 or -1e3") from None
    if math.isnan(value) or value == math.inf:
        raise click.UsageError(f"SCORE: received {text}, expected a finite number, or -inf for an impossible class")
    return value


def _names(classes, count):
    if classes is None:
        return [str(index) for index in range(count)]
    names = [name.strip() for name in classes.split(",")]
    if len(names) != count:
        raise click.UsageError(f"--classes: received {len(names)} names, expected {count}, one for each score")
    return names


def _index(label, names):
    if label in names:
        return names.index(label)
    if label.isdecimal() and int(label) < len(names):
        return int(label)
    raise click.UsageError(
        f"--label: received {label!r}, expected one of {', '.join(names[:8])}, or a number from 0 to {len(names) - 1}"
    )


def _steps(scores, beta):
    """Arrays (K,) by the name of their step; plain exponentials as powers of ten, which overflow nowhere."""
    with np.errstate(over="ignore"):
        scaled = beta * scores
        shifted = np.exp(beta * (scores - scores.max()))
    return {
        "score": scores,
        "beta_score": scaled,
        "exponential_log10": scaled / math.log(10),
        "shifted_exponential": shifted,
        "softmax": ll.softmax(scores, beta=beta),
        "hardmax": ll.hardmax(scores),
        "loss": 0.0 - ll.log_softmax(scores, beta=beta),  # never -0.0
    }


def _sum_log10(steps):
    return float(ll.logsumexp(steps["beta_score"])) / math.log(10)


def _print_steps(steps, names):
    columns = ["class", "score", "beta*score", "exp", "shifted", "softmax", "hardmax", "-log p"]
    rows = [
        [
            names[index],
            _short(steps["score"][index]),
            _short(steps["beta_score"][index]),
            _power(steps["exponential_log10"][index]),
            _short(steps["shifted_exponential"][index]),
            _short(steps["softmax"][index]),
            f"{steps['hardmax'][index]:g}",
            _short(steps["loss"][index]),
        ]
        for index in range(len(names))
    ]
    shifted, softmax = steps["shifted_exponential"], steps["softmax"]
    foot = [
        ["sum", "", "", _power(_sum_log10(steps)), _short(shifted.sum()), _short(softmax.sum()), "1", ""],
        [
            "max",
            _short(steps["score"].max()),
            _short(steps["beta_score"].max()),
            _power(steps["exponential_log10"].max()),
            _short(shifted.max()),
            _short(softmax.max()),
            "1",
            _short(steps["loss"].max()),
        ],
    ]
    print_table(columns, rows, foot=foot)


def _document(steps, names, beta, label):
    document = {
        "schema": 1,
        "beta": beta,
        "classes": names,
        **{name: values.tolist() for name, values in steps.items()},
        "exponential": [
            10**power if power < _LARGEST_POWER else math.inf for power in steps["exponential_log10"].tolist()
        ],
        "sum": {
            "exponential_log10": _sum_log10(steps),
            "shifted_exponential": float(steps["shifted_exponential"].sum()),
            "softmax": float(steps["softmax"].sum()),
        },
        "max": {"score": float(steps["score"].max()), "softmax": float(steps["softmax"].max())},
    }
    if label is not None:
        document["label"] = {"index": label, "class": names[label], "loss": float(steps["loss"][label])}
    return document


def _short(value):
    """Four decimals, or three digits and an exponent where those would show too little or too much."""
    value = float(value) + 0.0  # no "-0.0000"
    if value == 0 or 1e-4 <= abs(value) < _LARGEST_PLAIN:
        return f"{value:.4f}"
    return f"{value:.2e}" if math.isfinite(value) else f"{value}"


def _power(log10):
    if log10 == -math.inf or -4 <= log10 < math.log10(_LARGEST_PLAIN):
        return _short(10.0**log10)
    return f"10^{log10:.3f}"
