"""A fit's progress on standard error: one line that renews itself on a terminal, a line now and then elsewhere."""

import os
import sys
import time

# Seconds between lines where they stay.
_PAUSE = 2.0


class ProgressLine:
    """Called with the solver's Optimum before each iteration; `close` ends the line."""

    def __init__(self):
        self._renew = sys.stderr.isatty()
        self._written = -_PAUSE
        self._text = None

    def __call__(self, optimum):
        """Show where the fit stands."""
        self._text = (
            f"iteration {optimum.iterations:>4}  objective {optimum.objective:.6f}  "
            f"gradient {optimum.gradient_norm:.1e}  gap <= {optimum.gap:.1e}"
        )
        if self._renew:
            # A line that wraps cannot be renewed.
            print(f"\r{self._text[: _columns() - 1]}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._written >= _PAUSE:
            print(self._text, file=sys.stderr, flush=True)
            self._written, self._text = time.monotonic(), None

    def close(self, stopped):
        """Leave the last state and why the fit stopped."""
        if self._renew:
            print(f"\r{self._text}  {stopped}", file=sys.stderr, flush=True)
        elif self._text is not None:
            print(f"{self._text}  {stopped}", file=sys.stderr, flush=True)


def _columns():
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
