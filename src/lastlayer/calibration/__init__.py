"""Calibration of probabilities on held-out rows: by a temperature, one for each entropy, or a factor for each class."""

from lastlayer.calibration.calibration import CALIBRATION_METHODS, Calibration, fit_calibration
from lastlayer.calibration.entropy_temperature import EntropyBetas
from lastlayer.calibration.label_scaling import LabelScaling, fit_label_scaling
from lastlayer.calibration.score_kinds import SCORE_KINDS, NotTheseScoresError, as_logits
from lastlayer.calibration.temperature import TemperatureWarning, fit_temperature
from lastlayer.calibration.vector_scaling import VectorScaling

__all__ = [
    "CALIBRATION_METHODS",
    "SCORE_KINDS",
    "Calibration",
    "EntropyBetas",
    "LabelScaling",
    "NotTheseScoresError",
    "TemperatureWarning",
    "VectorScaling",
    "as_logits",
    "fit_calibration",
    "fit_label_scaling",
    "fit_temperature",
]
