"""The HTML around a view."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lastlayer.explorer.examined import Examined
from lastlayer.explorer.presets import preset_links


@dataclass(frozen=True)
class View:
    """A page.

    Attributes:
      name: its address, and the name of its HTML and its module in pages/.
      short: what the navigation calls it.
      title: its heading.
      lead: a sentence under it.
      has_quiz: whether the quiz asks about it.
    """

    name: str
    short: str
    title: str
    lead: str
    has_quiz: bool = False


VIEWS = (
    View(
        "scores",
        "Scores",
        "Scores to probabilities",
        "Change a score or beta, and every step of softmax follows.",
        has_quiz=True,
    ),
    View(
        "labels",
        "One or many",
        "One label or many",
        "The same scores through softmax and through sigmoid: what each would answer.",
        has_quiz=True,
    ),
    View(
        "loss",
        "Loss",
        "Loss",
        "What a probability of the right class costs, and which way its gradient pushes.",
        has_quiz=True,
    ),
    View(
        "sampling",
        "Many classes",
        "Many classes",
        "A loss of a few drawn classes in place of all: what is drawn, and how far the loss is off.",
    ),
    View("model", "Your model", "Your model", "A fitted head on rows of data: its worst rows, its rule, its classes."),
)


def page(name: str, examined: Examined | None) -> str:
    """The HTML document of the view `name`."""
    view = next(view for view in VIEWS if view.name == name)
    links = "".join(
        f'<li><a href="/{other.name}"{" aria-current=page" if other is view else ""}>{other.short}</a></li>'
        for other in VIEWS
    )
    body = _part("model_missing" if name == "model" and examined is None else name)
    if name == "model" and examined is not None:
        body += _part("effect") + _part("classes")
    modules = [name]
    if view.has_quiz:
        body += _part("quiz")
        modules.append("quiz")
    scripts = "".join(f'<script type="module" src="/static/{module}.js"></script>\n' for module in modules)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{view.title} · lastlayer</title>\n"
        '<link rel="icon" href="/static/icon.svg">\n'
        '<link rel="stylesheet" href="/static/explorer.css">\n'
        f'{scripts}</head>\n<body class="explore">\n'
        f'<header><nav aria-label="Views"><a class="brand" href="/">lastlayer</a><ul>{links}</ul></nav>'
        f'<h1>{view.title}</h1><p class="lead">{view.lead}</p></header>\n<main class="{name}">\n'
        '<noscript><p class="problem">This page needs JavaScript, which it loads from here alone.</p></noscript>\n'
        f'<p id="problem" class="problem" role="alert" hidden></p>\n{body}\n</main>\n'
        f"<footer>{_part('copying')}</footer>\n</body>\n</html>\n"
    )


@cache
def _part(name):
    part = Path(__file__).with_name("pages").joinpath(f"{name}.html").read_text(encoding="utf-8")
    return part.replace("<!--presets-->", preset_links())
