"""Ctrl-C in a command that writes a file: it says whether the file was written."""

import functools
import os
from collections.abc import Callable
from typing import Any


class Interrupted(Exception):  # noqa: N818 - read as what it says: the command was interrupted
    """Ctrl-C ended a command; the message is the sentence to say."""


def says_what_was_not_written(command: Callable[..., None]) -> Callable[..., None]:
    """A command with a parameter `output`, of which an interruption says that it was not written."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        before = _identity(options["output"])
        try:
            return command(**options)
        except KeyboardInterrupt:
            output = options["output"]
            if output == "-" or _identity(output) != before:
                raise
            raise Interrupted(f"interrupted; {output} was not written") from None

    return wrapped


def _identity(path):
    """Tells a file from the one that takes its place; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
