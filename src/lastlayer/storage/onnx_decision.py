"""Decision rules as nodes of an ONNX graph: the answers that a rule's `apply` gives to the graph's own probabilities.

A threshold t in float64 becomes that float32 number which tells the same float32 probabilities apart, so that no
comparison rounds. What a rule computes in float64, expected costs and the entropies, is float64 in the graph.
"""

from typing import Any

import numpy as np

from lastlayer.decision import Abstain, Argmax, LeastCost, PredictionSets, Thresholds
from lastlayer.storage.onnx_graph import OnnxGraph


def answer_nodes(
    graph: OnnxGraph, rule: Argmax | Abstain | LeastCost, best: str, probabilities: str, num_classes: int
) -> str:
    """Add what a rule of one answer a row computes.

    Args:
      graph: OnnxGraph.
      rule: Argmax, Abstain or LeastCost.
      best: the name of the most probable class, (N,) int64.
      probabilities: the name of (N, K) float32 probabilities.
      num_classes: K.
    Returns: the name of the class index, (N,) int64, -1 for "don't know".
    """
    if isinstance(rule, Argmax):
        return best
    if isinstance(rule, LeastCost):
        return _least_cost(graph, rule, probabilities)
    threshold = np.asarray(rule.threshold)
    if rule.score == "max_probability":
        score = graph.node("ReduceMax", [probabilities, _class_axis(graph)], "score", keepdims=0)
        threshold = _least_single(threshold)
    else:
        exact = graph.node("Cast", [probabilities], "probabilities64", to=_FLOAT64)
        score = _SCORES[rule.score](graph, exact, num_classes)
    bar = graph.constant("threshold", threshold)
    if threshold.ndim:
        bar = graph.node("Gather", [bar, best], "threshold_of_best")
    sure = graph.node("GreaterOrEqual", [score, bar], "is_sure")
    return graph.node("Where", [sure, best, _unknown(graph)], "answer")


def set_nodes(graph: OnnxGraph, rule: Thresholds | PredictionSets, probabilities: str) -> str:
    """Add what a rule of any number of answers a row computes; the name of (N, K) booleans.

    Raises: ValueError for randomised sets, whose draws are no operation of ONNX.
    """
    if isinstance(rule, Thresholds):
        bar = graph.constant("threshold", _greatest_single(np.asarray(rule.threshold)))
        return graph.node("Greater", [probabilities, bar], "labels")
    if rule.randomised:
        raise ValueError(
            "decision: the prediction sets are randomised, which ONNX has no operation for, expected plain ones; "
            "choose them without randomisation, or apply the rule to the probabilities."
        )
    bar = graph.constant("threshold", _least_single(np.asarray(rule.threshold)))
    return graph.node("GreaterOrEqual", [probabilities, bar], "labels")


def _least_cost(graph, rule, probabilities):
    """As `LeastCost.apply`, slack for the rounding of equal costs included."""
    slack = len(rule.cost) * np.finfo(np.float64).eps * np.abs(rule.cost).max()
    exact = graph.node("Cast", [probabilities], "probabilities64", to=_FLOAT64)
    expected = graph.node("MatMul", [exact, graph.constant("cost", np.array(rule.cost))], "expected_cost")
    least = graph.node("ReduceMin", [expected, _class_axis(graph)], "least_cost", keepdims=1)
    bar = graph.node("Add", [least, graph.constant("slack", np.array(slack))], "highest_least_cost")
    equal = graph.node("LessOrEqual", [expected, bar], "is_least")
    first = graph.node("Cast", [equal], "is_least_as_number", to=_INT32)
    cheapest = graph.node("ArgMax", [first], "cheapest", axis=1, keepdims=0)
    if rule.abstain_cost is None:
        return cheapest
    flat = graph.node("Squeeze", [least, _class_axis(graph)], "least_cost_of_row")
    limit = graph.constant("abstain_cost", np.array(rule.abstain_cost + slack))
    pays = graph.node("LessOrEqual", [flat, limit], "is_worth_answering")
    return graph.node("Where", [pays, cheapest, _unknown(graph)], "answer")


def _margin(graph, exact, num_classes):
    graph.node("TopK", [exact, graph.constant("two", np.array([2]))], "two_largest", "two_classes")
    first, second = (
        graph.node("Gather", ["two_largest", graph.constant(name, np.array(place))], f"{name}_largest", axis=1)
        for place, name in enumerate(("first", "second"))
    )
    return graph.node("Sub", [first, second], "score")


def _entropy(graph, exact, num_classes):
    # Of 0 ln 0 nothing is to remain.
    floor = graph.constant("least_logarithm", np.array(np.finfo(np.float64).tiny))
    logarithms = graph.node("Log", [graph.node("Max", [exact, floor], "above_zero")], "logarithms")
    sums = _sum(graph, graph.node("Mul", [exact, logarithms], "terms"))
    return _share(graph, sums, np.log(num_classes))


def _renyi_entropy(graph, exact, num_classes):
    sums = _sum(graph, graph.node("Sqrt", [exact], "terms"))
    return _share(graph, graph.node("Log", [sums], "half_entropy"), -0.5 * np.log(num_classes))


def _sum(graph, terms):
    return graph.node("ReduceSum", [terms, _class_axis(graph)], "sum_of_terms", keepdims=0)


def _share(graph, value, span):
    """1 + value / span, from 0 to 1."""
    scaled = graph.node("Div", [value, graph.constant("span", np.array(span))], "scaled_sum")
    one, zero = graph.constant("one64", np.array(1.0)), graph.constant("zero64", np.array(0.0))
    return graph.node("Clip", [graph.node("Add", [scaled, one], "unclipped_score"), zero, one], "score")


_SCORES = {"margin": _margin, "entropy": _entropy, "renyi_entropy": _renyi_entropy}
# By the numbers that ONNX gives them.
_FLOAT64, _INT32 = 11, 6


def _class_axis(graph):
    return graph.constant("class_axis", np.array([1]))


def _unknown(graph):
    return graph.constant("unknown", np.array(-1))


def _least_single(threshold: Any) -> Any:
    """The least float32 >= threshold: a float32 number reaches the one if and only if it reaches the other."""
    single = threshold.astype(np.float32)
    return np.where(single < threshold, np.nextafter(single, np.float32(np.inf)), single)


def _greatest_single(threshold: Any) -> Any:
    """The greatest float32 <= threshold: a float32 number exceeds the one if and only if it exceeds the other."""
    single = threshold.astype(np.float32)
    return np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
