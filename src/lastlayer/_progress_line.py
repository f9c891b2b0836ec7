"""Progress on standard error: one line that renews itself on a terminal, a line now and then elsewhere."""

import os
import sys
import time

# Seconds between lines where they stay.
_PAUSE = 2.0


class ProgressLine:
    """A line of text that says how far something has come."""

    def __init__(self):
        self._renew = sys.stderr.isatty()
        self._written = -_PAUSE

    def show(self, text: str) -> None:
        """Show a line, which renews the one before on a terminal."""
        if self._renew:
            # A line that wraps cannot be renewed.
            print(f"\r{text[: _columns() - 1]}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._written >= _PAUSE:
            print(text, file=sys.stderr, flush=True)
            self._written = time.monotonic()

    def end(self, text: str) -> None:
        """Leave this."""
        start, end = ("\r", "\033[K") if self._renew else ("", "")
        print(f"{start}{text}{end}", file=sys.stderr, flush=True)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
