"""What an ONNX file of a head says of itself beside its graph."""

import json
from typing import Any

from numpy.typing import NDArray

import lastlayer
from lastlayer._json import json_text
from lastlayer.decision import rule_parts
from lastlayer.storage.class_labels import encode_classes
from lastlayer.storage.head_file import digest_of


def onnx_metadata(head: Any, classes: NDArray[Any], unknown: Any) -> dict[str, str]:
    """The metadata of an OnnxHead with these `classes`, whose label for "don't know" is `unknown` or None.

    "library_version"; "digest", SHA-256 of the head's own numbers, labels and rule: the same of a head that was saved
    and loaded; and in JSON "link", "classes", "feature_names" or null, "abstain_label" or null, and "decision", a
    rule's kind, its numbers and its evidence, or null.
    """
    rule, of_rule = (None, {}) if head.decision is None else rule_parts(head.decision)
    arrays = {f"decision.{name}": array for name, array in of_rule.items()}
    arrays |= {"weight": head.weight, "bias": head.bias, "beta": head.beta, **encode_classes(head.classes)}
    if head.shift is not None:
        arrays["shift"] = head.shift
    decision = json_text(rule)
    return {
        "library_version": lastlayer.__version__,
        "digest": digest_of(arrays, decision),
        "link": json.dumps(head.link),
        "classes": json.dumps(classes.tolist(), ensure_ascii=False),
        "feature_names": json.dumps(head.feature_names, ensure_ascii=False),
        "decision": decision,
        "abstain_label": json_text(unknown),
    }
