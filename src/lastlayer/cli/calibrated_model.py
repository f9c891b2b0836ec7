"""A saved model whose probabilities go through a calibration from a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.calibration import Calibration
from lastlayer.cli.refusals import about_the_input
from lastlayer.decision import top_k
from lastlayer.decision.head_rules import has_many_labels, is_default
from lastlayer.tables import InputError
from lastlayer.tables.model_rows import LinearHead


class CalibratedModel:
    """What predict and evaluate ask of a model, with calibrated probabilities.

    The calibration takes the model's own output of the kind that it was fitted on: probabilities and log-probabilities
    as the model gives them, so behind a temperature of its own; logits as decision_function gives them, before that.
    """

    def __init__(self, model: LinearHead, calibration: Calibration):
        """Take a model of one label a row and a calibration of its classes."""
        self._model = model
        self._calibration = calibration
        self.classes_: NDArray[Any] = model.classes_
        self.n_features_in_: int = model.n_features_in_

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Calibrated probabilities (N, K)."""
        return self._calibration.apply(self._scores(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of the largest of them, (N,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_top_k(self, X: Any, k: int) -> tuple[NDArray[Any], NDArray[np.floating[Any]]]:
        """The classes of the `k` largest, (N, k), and these, the largest first."""
        probabilities = self.predict_proba(X)
        best = top_k(probabilities, k).indices
        return self.classes_[best], np.take_along_axis(probabilities, best, axis=1)

    def _scores(self, X):
        if self._calibration.scores_are == "probabilities":
            return self._model.predict_proba(X)
        if self._calibration.scores_are == "log-probabilities":
            return self._model.predict_log_proba(X)
        scores = self._model.decision_function(X)
        return scores if scores.ndim == 2 else np.column_stack([np.zeros_like(scores), scores])


def calibrated_model(model: LinearHead, name: str, path: str) -> CalibratedModel:
    """The model of the file `name` with the calibration of the file `path`.

    Raises: InputError if there is no such calibration, or it is not of the classes of the model in their order.
    """
    with about_the_input():
        calibration = ll.load_calibration(path)
    many_labels = has_many_labels(model)
    if not is_default(model.decision_, many_labels=many_labels):
        raise InputError(
            f"--calibration {path}: stands beside the decision rule of {name}, which was chosen on its own "
            "probabilities; leave one out."
        )
    classes = [str(each) for each in model.classes_.tolist()]
    if many_labels:
        raise InputError(
            f"--calibration {path}: is of one label a row, but {name} is of many, expected a model of one; leave it "
            "out, since fit calibrates each label on the validation rows."
        )
    if len(classes) != calibration.num_classes:
        raise InputError(
            f"--calibration {path}: was fitted on {calibration.num_classes} classes, but {name} has {len(classes)}, "
            "expected the same; fit one on the outputs of this model."
        )
    for k, (own, other) in enumerate(zip(classes, calibration.classes or classes, strict=True)):
        if own != str(other):
            raise InputError(
                f"--calibration {path}: class {k} is {str(other)!r}, but {name} has {own!r} there, expected the "
                "classes of the model in its order; fit one on the outputs of this model."
            )
    return CalibratedModel(model, calibration)
