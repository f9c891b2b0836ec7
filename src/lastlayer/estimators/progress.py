"""A fit's progress on standard error: one line that renews itself on a terminal, a line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Callable

from lastlayer.solvers import Optimum

# Seconds between lines where they stay.
_PAUSE = 2.0


class ProgressLine:
    """Called with the solver's Optimum before each iteration; `close` ends the line. `describe` puts it in words.

    What comes before the fit may `show` lines of its own.
    """

    def __init__(self, describe: Callable[[Optimum], str] | None = None):
        self._describe = in_iterations if describe is None else describe
        self._renew = sys.stderr.isatty()
        self._written = -_PAUSE

    def __call__(self, optimum: Optimum) -> None:
        """Show where the fit stands."""
        self.show(self._describe(optimum))

    def show(self, text: str) -> None:
        """Show a line, which renews the one before on a terminal."""
        if self._renew:
            # A line that wraps cannot be renewed.
            print(f"\r{text[: _columns() - 1]}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._written >= _PAUSE:
            print(text, file=sys.stderr, flush=True)
            self._written = time.monotonic()

    def close(self, optimum: Optimum) -> None:
        """Leave the last state, the bound that the summary shows too, and why the fit stopped."""
        self.end(f"{self._describe(optimum)}  {optimum.certificate()}  {optimum.stopped}")

    def end(self, text: str) -> None:
        """Leave this."""
        start, end = ("\r", "\033[K") if self._renew else ("", "")
        print(f"{start}{text}{end}", file=sys.stderr, flush=True)


class LabelProgress:
    """Called with how many labels have ended and how many there are, from any thread; `close` ends the line."""

    def __init__(self):
        self._line, self._last = ProgressLine(), (0, 0)

    def __call__(self, ended: int, of: int) -> None:
        """Show where the fit stands."""
        self._last = ended, of
        self._line.show(f"{ended:,} of {of:,} labels")

    def close(self) -> None:
        """Leave the last state."""
        self._line.end("{:,} of {:,} labels".format(*self._last))


def in_iterations(optimum: Optimum) -> str:
    """An exact fit, in words."""
    return f"iteration {optimum.iterations:>4}  objective {optimum.objective:.6f}  gradient {optimum.gradient_norm:.1e}"


def in_passes(optimum: Optimum) -> str:
    """A fit with candidates, in words."""
    return f"pass {optimum.iterations:>4}  held-out log-loss {optimum.objective:.6f}"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
