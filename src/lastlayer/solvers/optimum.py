"""What a fit knows of its head: a certificate, not a "converged" flag."""

import math
from dataclasses import dataclass

# A bound is loose if it exceeds what is expected by this factor.
LOOSE = 10


@dataclass(frozen=True)
class Optimum:
    """What is known about a fitted head: a certificate, not a "converged" flag.

    Attributes:
      objective: F, in nats; of a sampled fit the log-loss of held-out rows and the penalty; of partial_fit the mean
        loss of the last call's rows, before a step was taken along them.
      gradient_norm: largest absolute entry of F's gradient, for features about their mean; NaN where it is not known.
      gap: a bound on F - F*, in nats (see solvers/certificate.py and solvers/minorant.py); the least value F* lies in
        [objective - gap, objective], up to the rounding of the features' dtype; inf where there is no bound. In what
        `report` is shown it is the head's own duality gap, which can be far above the bound in the end.
      iterations: number of directions taken; of a sampled fit, passes over the rows; of partial_fit, steps.
      seconds: wall time of the fit, without that in which kernels were compiled.
      stopped: "converged"; "max_iter"; "noise", if rounding hides any further decrease; "separable", if there is no
        penalty and every row's class has more than half of the probability, so that F* = 0 is never reached;
        "interrupted"; of a sampled fit also "held_out", if the log-loss of held-out rows falls no more, and
        "unwritable", if its checkpoint could not be written; "partial_fit" of what that has made; "unknown" of a head
        that another library has fitted.
      expected: what the solver's quadratic model expects F - F* to be, in nats: an estimate, no bound; inf where there
        is none, as in files of earlier versions.
    """

    objective: float
    gradient_norm: float
    gap: float
    iterations: int
    seconds: float
    stopped: str
    expected: float = math.inf

    def certificate(self) -> str:
        """What is known of F - F*, in a few words."""
        if not math.isfinite(self.gap):
            return "no bound on its distance from the optimum"
        loose = f" (a loose bound, {self.expected:.1e} is expected)" if self.gap > LOOSE * self.expected else ""
        return f"at most {self.gap:.1e} above the optimum{loose}"
