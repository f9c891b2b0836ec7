"""A head as an ONNX model: one product, the inverse temperature, softmax or sigmoid, and labels by their names.

Everything is float32. A score differs from that in exact arithmetic by at most

    (D + 3) 2^-24 (|x| |w|' + |b|)

(Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1; weights and features are rounded once each).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

import lastlayer
from lastlayer.decision import Abstain, Argmax, LeastCost, PredictionSets, Rule, Thresholds, can_abstain
from lastlayer.storage.class_labels import decode_classes, encode_classes
from lastlayer.storage.onnx_decision import answer_nodes, set_nodes
from lastlayer.storage.onnx_graph import ROWS, OnnxGraph, onnx
from lastlayer.storage.onnx_metadata import onnx_metadata

# Beyond these, products with float32 scores leave its range.
_SMALLEST_BETA, _LARGEST_BETA = 1e-30, 1e30


@dataclass(frozen=True, eq=False)
class OnnxHead:
    """What is computed: link(beta * (features weight' + bias) + shift).

    Attributes:
      weight: (K, D), a row for each column of probabilities.
      bias: (K,).
      beta: () or (K,) inverse temperatures, > 0.
      shift: (K,), added last, or None for 0.
      link: "softmax" or "sigmoid".
      classes: (K,) labels: integers, booleans, floats or names.
      one_label: whether a row has exactly one of the labels; else each for itself.
      feature_names: (D,) or None.
      decision: the rule that answers; None for the most probable label, or those that are more probable than not.
      abstain_label: what "label" is where the rule says "don't know"; None for "", -1 or NaN by the kind of the labels.
    """

    weight: NDArray[Any]
    bias: NDArray[Any]
    beta: NDArray[Any]
    shift: NDArray[Any] | None
    link: Literal["softmax", "sigmoid"]
    classes: ArrayLike
    one_label: bool
    feature_names: list[str] | None = None
    decision: Rule | None = None
    abstain_label: Any = None


def onnx_of_head(head: OnnxHead, top: int | None = None) -> "onnx.ModelProto":
    """An ONNX model of `head`, from "features" (N, D), float32, any number of rows.

    Outputs: "probabilities" (N, K) float32, and
    * where a row has one label: "label" (N,), the most probable class, of equal scores the first. If the rule may say
      "don't know", "label_index" (N,) int64, the class index or -1; "label" has abstain_label there, and is left out
      where the labels have no value for it.
    * where each label is for itself, or by a rule of sets: "labels" (N, K) booleans; without a rule, which are more
      probable than not.
    * with `top`: "top_labels" and "top_probabilities" (N, top), the most probable first, whatever the rule.

    Args:
      head: OnnxHead.
      top: how many of the most probable labels, 1 to K; None leaves them out.
    Raises: ValueError for weights that are not finite in float32, labels beyond int64, a rule that is randomised or
      of one label for a head of many, or more than 2 GiB; TypeError for labels other than numbers and names.
    """
    classes = _labels(head.classes)
    num_classes, kind = len(classes), str if classes.dtype == object else classes.dtype
    may_abstain = head.decision is not None and can_abstain(head.decision)
    unknown = _unknown_label(head, classes) if may_abstain else None
    graph = OnnxGraph("head")
    scores, probabilities = _scores_and_probabilities(graph, head)
    if head.one_label or top is not None:
        # An index of -1 picks the last entry.
        graph.constant("classes", classes if unknown is None else np.append(classes, unknown).astype(classes.dtype))
    if head.one_label:
        answer = best = graph.node("ArgMax", [scores], "best", axis=1, keepdims=0)
        if isinstance(head.decision, Argmax | Abstain | LeastCost):
            answer = answer_nodes(graph, head.decision, best, probabilities, num_classes)
        if unknown is not None or not may_abstain:
            graph.output(graph.node("Gather", ["classes", answer], "label"), kind, ROWS)
        if may_abstain:
            graph.output(graph.node("Identity", [answer], "label_index"), np.int64, ROWS)
    if isinstance(head.decision, Thresholds | PredictionSets):
        graph.output(set_nodes(graph, head.decision, probabilities), np.bool_, ROWS, num_classes)
    elif not head.one_label:
        if head.decision is not None:
            raise ValueError(
                f"decision: is {type(head.decision).__name__}, which answers with one label a row, but the head has "
                "many, expected Thresholds; set another rule."
            )
        graph.constant("zero", np.zeros((), np.float32))
        graph.output(graph.node("Greater", [scores, "zero"], "labels"), np.bool_, ROWS, num_classes)
    graph.output(probabilities, np.float32, ROWS, num_classes)
    if top is not None:
        best = graph.node("TopK", [scores, graph.constant("top", np.array([top]))], "top_scores", "top_indices")
        graph.output(graph.node("Gather", ["classes", best], "top_labels"), kind, ROWS, top)
        found = graph.node("GatherElements", [probabilities, best], "top_probabilities", axis=1)
        graph.output(found, np.float32, ROWS, top)
    description = f"A {head.link} head of {num_classes} classes on {head.weight.shape[1]} features."
    metadata = onnx_metadata(head, classes, unknown)
    return graph.model("lastlayer", lastlayer.__version__, description, metadata)


def _scores_and_probabilities(graph, head):
    """The names of what labels are ordered by and of probabilities, (N, K) both."""
    weight, bias = _single(head.weight, "coef_"), _single(head.bias, "intercept_")
    features = graph.input("features", np.float32, ROWS, weight.shape[1])
    inputs = [features, graph.constant("weight", weight), graph.constant("bias", bias)]
    scores = graph.node("Gemm", inputs, "scores", transB=1)
    if head.link == "softmax":
        return scores, graph.node("Softmax", [_scaled_below_largest(graph, scores, head.beta)], "probabilities", axis=1)
    if (head.beta != 1).any():
        scores = graph.node("Mul", [scores, graph.constant("beta", _beta(head.beta))], "scaled")
    if head.shift is not None and head.shift.any():
        scores = graph.node("Add", [scores, graph.constant("shift", _single(head.shift, "bias_"))], "shifted")
    return scores, graph.node("Sigmoid", [scores], "probabilities")


def _scaled_below_largest(graph, scores, beta):
    """Beta times scores, less the largest first: what differs little keeps its difference, and nothing overflows."""
    if (beta == 1).all():
        return scores
    axis = graph.constant("class_axis", np.array([1]))
    largest = graph.node("ReduceMax", [scores, axis], "largest", keepdims=1)
    below = graph.node("Sub", [scores, largest], "scores_below")
    return graph.node("Mul", [below, graph.constant("beta", _beta(beta))], "scaled")


def _labels(classes):
    """Labels as a constant of ONNX: int64, bool, float32, float64, or an object array of str."""
    labels = decode_classes(encode_classes(classes))
    if labels.dtype.kind in "iu":
        if labels.dtype == np.uint64 and (labels > np.uint64(np.iinfo(np.int64).max)).any():
            raise ValueError(f"classes: the largest is {labels.max()}, expected integers that int64 holds.")
        return labels.astype(np.int64)
    if labels.dtype == np.float16:
        return labels.astype(np.float32)
    return labels if labels.dtype.kind in "bf" else labels.astype(object)


def _unknown_label(head, classes):
    """What stands for "don't know" among labels like `classes`; None where there is nothing."""
    label = head.abstain_label
    if label is not None:
        if not _is_of_kind(label, classes.dtype) or label in classes.tolist():
            kind = "text" if classes.dtype == object else classes.dtype
            raise ValueError(
                f"abstain_label: is {label!r}, expected a value that {kind} can hold, as the classes are, but none of "
                "them; set the decision with another."
            )
        return label
    if classes.dtype == bool:
        return None
    unknown = "" if classes.dtype == object else -1 if classes.dtype == np.int64 else np.nan
    return None if unknown in classes.tolist() else unknown


def _is_of_kind(label, dtype):
    if dtype.kind == "O" or isinstance(label, str):
        return dtype.kind == "O" and isinstance(label, str)
    if dtype.kind == "i":
        return abs(label) < 1 << 63 and int(label) == label
    return dtype.kind == "f"


def _single(values, name):
    """`values` in float32. Raises ValueError unless they are finite there."""
    with np.errstate(over="ignore"):
        single = np.asarray(values).astype(np.float32)
    finite = np.isfinite(single)
    if not finite.all():
        place = tuple(map(int, np.argwhere(~finite)[0]))
        where = place[0] if len(place) == 1 else place
        raise ValueError(
            f"{name}: entry {where} is {values[place]}, expected numbers that are finite in float32; fit the head on "
            "features of a smaller scale, or without NaN."
        )
    return np.ascontiguousarray(single)


def _beta(beta):
    for value in np.ravel(beta):
        if not _SMALLEST_BETA <= value <= _LARGEST_BETA:
            raise ValueError(
                f"beta_: is {value}, expected {_SMALLEST_BETA} to {_LARGEST_BETA} in float32; calibrate the head anew."
            )
    return beta.astype(np.float32)
