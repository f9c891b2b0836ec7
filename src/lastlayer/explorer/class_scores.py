"""The classes and scores of a view's state: what is taken of them, and how a sentence names classes."""

import unicodedata
from typing import Any

from lastlayer._text import shown
from lastlayer.explorer.fields import Field, Many, Number, Refused, Text

# Each has a row of its own that is edited and drawn.
MOST_CLASSES = 1_000
_MOST_NAMED, _LONGEST_NAME = 8, 40


def class_fields(most: int = MOST_CLASSES) -> dict[str, Field]:
    """The fields "class" and "score", lists of 1 to `most` names and scores."""
    return {
        "class": Many(Text(200), most, least=1),
        "score": Many(Number(impossible=True), most, least=1),
    }


def require_pairs(state: dict[str, Any]) -> None:
    """Raise Refused unless there is a score for every class, and a class that is possible."""
    classes, scores = len(state["class"]), len(state["score"])
    if classes != scores:
        raise Refused("score", f"received {scores:,} scores for {classes:,} classes, expected one for each")
    if max(state["score"]) == float("-inf"):
        raise Refused("score", "every class is impossible (-inf), expected at least one finite score")


def require_label(state: dict[str, Any]) -> None:
    """Raise Refused unless "label" is the index of a class."""
    label, count = state["label"], len(state["class"])
    if label >= count:
        raise Refused("label", f"received {label:,}, but there are {count:,} classes (0 to {count - 1:,})")


def named(classes: list[str], places: list[int]) -> str:
    """The names of some classes in a sentence: "cat, dog and cow", "none", or the first ones and how many more."""
    names = [_in_a_sentence(classes[place]) or f"class {place}" for place in places[: _MOST_NAMED + 1]]
    if not names:
        return "none"
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(places) - _MOST_NAMED:,} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _in_a_sentence(name):
    """The name without what would steer the text around it: cut short, and apart if it runs from right to left."""
    name = shown(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…").strip()
    runs_left = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"\u2068{name}\u2069" if runs_left else name
