"""Calibration of probabilities on held-out rows: the inverse temperature."""

from lastlayer.calibration.temperature import TemperatureWarning, fit_temperature

__all__ = ["TemperatureWarning", "fit_temperature"]
