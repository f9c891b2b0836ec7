"""A fit's progress on standard error."""

from collections.abc import Callable

from lastlayer._progress_line import ProgressLine
from lastlayer.solvers import Optimum


class FitProgress(ProgressLine):
    """Called with the solver's Optimum before each iteration; `close` ends the line. `describe` puts it in words.

    What comes before the fit may `show` lines of its own.
    """

    def __init__(self, describe: Callable[[Optimum], str] | None = None):
        super().__init__()
        self._describe = in_iterations if describe is None else describe

    def __call__(self, optimum: Optimum) -> None:
        """Show where the fit stands."""
        self.show(self._describe(optimum))

    def close(self, optimum: Optimum) -> None:
        """Leave the last state, the bound that the summary shows too, and why the fit stopped."""
        self.end(f"{self._describe(optimum)}  {optimum.certificate()}  {optimum.stopped}")


class LabelProgress:
    """Called with how many labels have ended and how many there are, from any thread; `close` ends the line.

    Attributes:
      line: what comes before the fit may show lines of its own there.
      describe: what is said besides.
    """

    def __init__(self):
        self.line: ProgressLine = ProgressLine()
        self.describe: Callable[[], str] = str
        self._last = 0, 0

    def __call__(self, ended: int, of: int) -> None:
        """Show where the fit stands."""
        self._last = ended, of
        self.line.show(self._state())

    def close(self) -> None:
        """Leave the last state."""
        self.line.end(self._state())

    def _state(self):
        return "{:,} of {:,} labels".format(*self._last) + f"  {self.describe()}".rstrip()


def in_iterations(optimum: Optimum) -> str:
    """An exact fit, in words."""
    return f"iteration {optimum.iterations:>4}  objective {optimum.objective:.6f}  gradient {optimum.gradient_norm:.1e}"


def in_passes(optimum: Optimum) -> str:
    """A fit with candidates, in words."""
    return f"pass {optimum.iterations:>4}  held-out log-loss {optimum.objective:.6f}"
