"""An estimator as an ONNX model."""

import os
from typing import TYPE_CHECKING, Any

from lastlayer.decision.head_rules import is_default
from lastlayer.estimators.decision_rule import plain_label
from lastlayer.estimators.head_rows import head_rows
from lastlayer.estimators.labelled_rows import whole_number
from lastlayer.storage import require_writable

if TYPE_CHECKING:
    import onnx


def head_to_onnx(model: Any, path: str | os.PathLike[str] | None, top: Any) -> "onnx.ModelProto":
    """The ONNX model of a fitted SoftmaxClassifier or SigmoidClassifier, written to `path` unless it is None.

    Raises: as `to_onnx` of the estimators.
    """
    # The package onnx is an extra, and takes a tenth of a second to import.
    from lastlayer.storage.onnx_file import write_onnx
    from lastlayer.storage.onnx_head import OnnxHead, onnx_of_head

    rows, num_classes = head_rows(model), len(model.classes_)
    if top is not None:
        top = whole_number(top, "top")
        if top > num_classes:
            raise ValueError(f"top: received {top}, expected 1 to {num_classes}, the number of classes.")
    if path is not None:
        require_writable(path)
    names = getattr(model, "feature_names_in_", None)
    head = OnnxHead(
        **rows._asdict(),
        classes=model.classes_,
        feature_names=None if names is None else [str(name) for name in names],
        decision=None if is_default(model.decision_, many_labels=not rows.one_label) else model.decision_,
        abstain_label=plain_label(model.abstain_label_),
    )
    found = onnx_of_head(head, top)
    if path is not None:
        write_onnx(found, path)
    return found
