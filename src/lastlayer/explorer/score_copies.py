"""What "copy as Python" and "copy as command" give of a row of scores."""

import math
import shlex
from collections.abc import Sequence
from typing import Any

# Linux takes no longer word on a command line.
_LONGEST_WORD = 131_071


def scores_in_python(state: dict[str, Any]) -> str:
    """The first lines of a program: the imports, `classes` and `scores`."""
    listed = ", ".join("-np.inf" if score == -math.inf else repr(score) for score in state["score"])
    return (
        f"import numpy as np\nimport lastlayer as ll\n\nclasses = {state['class']!r}\nscores = np.array([{listed}])\n"
    )


def explain_command(
    scores: Sequence[float], classes: Sequence[str], *, beta: float | None = None, label: int | None = None
) -> str:
    """`lastlayer explain` of a row of scores; the classes by name where the command line can hold the names.

    Args:
      scores: K.
      classes: K names.
      beta: inverse temperature; None for the command's own.
      label: the index of the right class; None for none.
    """
    words = ["lastlayer", "explain", *map(repr, scores)]
    if beta is not None:
        words += ["--beta", repr(beta)]
    listed = f"--classes={','.join(classes)}"
    can_be_named = all(map(_can_be_typed, classes)) and is_a_word(listed)
    called = None
    if label is not None:
        is_unique = can_be_named and classes.count(classes[label]) == 1
        called = classes[label] if is_unique else str(label)
        # The command takes a label for a name before it takes it for a number.
        can_be_named = can_be_named and (is_unique or called not in classes)
    if can_be_named:
        words.append(listed)
    if called is not None:
        words.append(f"--label={called}")
    return shlex.join(words)


def _can_be_typed(name):
    """Whether `--classes` gives the name back: it parts names at commas and strips them."""
    return name == name.strip() and name != "" and "," not in name and name.isprintable()


def is_a_word(text: str) -> bool:
    """Whether a command line can hold `text` as one word."""
    return len(text.encode(errors="replace")) <= _LONGEST_WORD and "\0" not in text
