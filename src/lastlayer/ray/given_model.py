"""The model that predicts or is judged."""

import os
from typing import Any

from sklearn.utils.validation import check_is_fitted

from lastlayer.estimators import SigmoidClassifier, SoftmaxClassifier, load


def given_model(model: Any) -> Any:
    """The classifier; loaded if `model` is a path. Raises TypeError for what is none, NotFittedError before a fit."""
    head: Any = load(model) if isinstance(model, str | os.PathLike) else model
    if not isinstance(head, SoftmaxClassifier | SigmoidClassifier):
        raise TypeError(f"model: received {head!r}, expected a classifier of lastlayer, or the path of a saved one.")
    check_is_fitted(head)
    return head
