"""Every step from one row of scores to probabilities, with the library's own numbers, to be read."""

from lastlayer.explanation.explain import explain
from lastlayer.explanation.explanation import Explanation
from lastlayer.explanation.step_texts import Texts, power_of_ten, short

__all__ = ["Explanation", "Texts", "explain", "power_of_ten", "short"]
