"""Are the numbers honest? The inverse temperature that makes probabilities mean what they say."""

from lastlayer.calibration.temperature import TemperatureWarning, fit_temperature

__all__ = ["TemperatureWarning", "fit_temperature"]
