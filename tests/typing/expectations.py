"""What type checkers say of each public name: CI runs pyright and mypy over this file, and a test runs it.

ArrayOrScalar is an array, or a NumPy scalar where there is one example; Any stands for the latter.
"""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_type

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.distributed.device_mesh import DeviceMesh

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.calibration import EntropyBetas, VectorScaling
from lastlayer.decision import (
    Evidence,
    PredictionSets,
    Thresholds,
    TopK,
    choose_prediction_sets,
    choose_thresholds,
    top_k,
)
from lastlayer.estimators import CPath, TopKClasses, Training
from lastlayer.losses import ClassRows, LossesAndGradient, SampledLossesAndGradients
from lastlayer.solvers import Optimum

single: NDArray[np.float32] = np.array([[2.0, 1.0, 0.1], [0.0, 3.0, 1.0]], np.float32)
double: NDArray[np.float64] = single.astype(np.float64)
half: NDArray[np.float16] = single.astype(np.float16)
whole: NDArray[np.int64] = single.astype(np.int64)
either: NDArray[np.floating[Any]] = single
labels = [0, 1]


def functions() -> None:
    assert_type(ll.softmax(single), NDArray[np.float32])
    assert_type(ll.softmax(double, axis=0, beta=np.float32(2)), NDArray[np.float64])
    assert_type(ll.softmax(half, out=half.copy()), NDArray[np.float16])
    assert_type(ll.softmax(single, axis=(0, 1)), NDArray[np.float32])
    assert_type(ll.softmax(either), NDArray[np.floating[Any]])
    assert_type(ll.softmax(whole), NDArray[np.floating[Any]])
    assert_type(ll.softmax([2.0, 1.0, 0.1]), NDArray[np.floating[Any]])
    assert_type(ll.log_softmax(single, beta=2), NDArray[np.float32])
    assert_type(ll.log_softmax([[1, 2], [3, 4]], axis=0), NDArray[np.floating[Any]])
    assert_type(ll.log_softmax(double, axis=None), NDArray[np.float64])
    assert_type(ll.hardmax(single, axis=(np.int64(0), 1)), NDArray[np.float32])
    assert_type(ll.hardmax([1, 2]), NDArray[np.floating[Any]])
    assert_type(ll.logsumexp(single, keepdims=True), NDArray[np.float32] | Any)
    assert_type(ll.logsumexp([1.0, 2.0]), NDArray[np.floating[Any]] | Any)
    assert_type(ll.logsumexp(double, axis=(0, 1)), NDArray[np.float64] | Any)
    assert_type(ll.smooth_max(double, axis=None, beta=3), NDArray[np.float64] | Any)
    assert_type(ll.sigmoid(single), NDArray[np.float32] | Any)
    assert_type(ll.sigmoid(0.5), NDArray[np.floating[Any]] | Any)
    assert_type(ll.log_sigmoid(double), NDArray[np.float64] | Any)
    array: NDArray[np.float32] = ll.logsumexp(single)
    number = float(ll.logsumexp([1.0, 2.0]))
    assert_type(number, float)
    assert_type(array, NDArray[np.float32])


def losses() -> None:
    targets = np.array([[1, 0, 0], [0, 1, 0]])
    assert_type(ll.nll(ll.log_softmax(single), labels), NDArray[np.float32] | Any)
    assert_type(ll.nll(double, labels, axis=-1), NDArray[np.float64] | Any)
    assert_type(ll.cross_entropy(single, labels, axis=-1), NDArray[np.float32] | Any)
    assert_type(ll.soft_cross_entropy_value_and_grad(double, targets, axis=-1), LossesAndGradient[np.float64])
    assert_type(ll.cross_entropy(single, labels, class_weight=[1, 2, 1]), NDArray[np.float32] | Any)
    assert_type(ll.cross_entropy([[1, 2]], [0], label_smoothing=0.1), NDArray[np.floating[Any]] | Any)
    assert_type(ll.soft_cross_entropy(double, targets), NDArray[np.float64] | Any)
    assert_type(ll.binary_cross_entropy_with_logits(single, targets, positive_weight=2), NDArray[np.float32] | Any)
    assert_type(ll.binary_likelihood_loss(single, targets), NDArray[np.float32] | Any)
    assert_type(ll.cross_entropy_value_and_grad(single, labels), LossesAndGradient[np.float32])
    assert_type(ll.cross_entropy_value_and_grad([[1, 2]], [0]), LossesAndGradient[np.floating[Any]])
    assert_type(ll.soft_cross_entropy_value_and_grad(double, targets), LossesAndGradient[np.float64])
    assert_type(ll.binary_cross_entropy_with_logits_value_and_grad(single, targets), LossesAndGradient[np.float32])
    assert_type(ll.binary_likelihood_loss_value_and_grad(single, targets), LossesAndGradient[np.float32])
    result = ll.cross_entropy_value_and_grad(single, labels, out=single.copy())
    each, gradient = result
    assert_type(each, NDArray[np.float32] | Any)
    assert_type(gradient, NDArray[np.float32] | Any)


def rules() -> None:
    probabilities: NDArray[np.float32] = ll.softmax(single)
    rule = ll.decision.choose_abstention(
        probabilities, labels, accuracy=0.9, confidence=np.float64(0.5), score="margin"
    )
    assert_type(rule, ll.decision.Abstain)
    assert_type(rule.apply(probabilities), NDArray[np.int64])
    assert_type(rule.threshold, float | NDArray[np.float64])
    assert_type(rule.evidence, ll.decision.Evidence | None)
    assert_type(ll.decision.Argmax().apply([[0.5, 0.5]]), NDArray[np.int64])
    costs = ll.decision.least_cost([[0, 1], [9, 0]], abstain_cost=1)
    assert_type(costs, ll.decision.LeastCost)
    assert_type(costs.apply([[0.5, 0.5]]), NDArray[np.int64])
    several: list[ll.decision.Rule] = [rule, costs, ll.decision.Abstain(np.array([0.5, 0.2]))]
    document, arrays = ll.decision.rule_parts(several[0])
    assert_type(ll.decision.rule_from_parts(document, arrays), ll.decision.Rule)
    assert_type(ll.decision.abstention_score(probabilities, "entropy"), NDArray[np.float64])
    corrected = ll.decision.correct_prior(probabilities, fitted_prior=[1, 1], prior=[9, 1])
    assert_type(corrected, NDArray[np.floating[Any]])


def samplers() -> None:
    sampler = ll.samplers.LogUniform(1000, random_state=0)
    assert_type(sampler.sample(10), ll.samplers.Candidates)
    assert_type(sampler.sample(np.int64(10), np.random.default_rng(0)).indices, NDArray[np.int64])
    assert_type(sampler.sample(10).log_expected_count, NDArray[np.float64])
    assert_type(sampler.sample(10).log_expected_count_of([[1, 2]]), NDArray[np.float64])
    assert_type(sampler.log_expected_count_of([1, 2], 10), NDArray[np.float64])
    assert_type(sampler.get_state(), dict[str, Any])
    assert_type(sampler.num_classes, int)
    several: list[ll.samplers.Sampler] = [
        sampler,
        ll.samplers.Uniform(5, distinct=False),
        ll.samplers.Unigram([1, 2, 3], power=1),
    ]
    several[0].set_state(sampler.get_state())
    stream = ll.samplers.InBatch(1000, rate=0.1)
    stream.update(labels)
    assert_type(stream.sample(labels), ll.samplers.Candidates)
    by_hand = ll.samplers.Candidates([1], [0.0], lambda labels: np.zeros(labels.shape))
    features, weight = single[:, :2], np.zeros((1000, 2), np.float32)
    assert_type(ll.sampled_cross_entropy(features, weight, labels, sampler.sample(10)), NDArray[np.float32])
    assert_type(ll.sampled_cross_entropy([[1.0]], [[1.0], [2.0]], [0], by_hand), NDArray[np.floating[Any]])
    assert_type(ll.sampled_binary_cross_entropy(double, double, labels, by_hand, bias=[0, 0]), NDArray[np.float64])
    result = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, by_hand, sample_weight=[1, 2])
    assert_type(result, SampledLossesAndGradients[np.float32])
    assert_type(result.features, NDArray[np.float32])
    assert_type(result.weight, ClassRows[np.float32])
    assert_type(result.weight.values, NDArray[np.float32])
    assert_type(result.bias.to_dense(1000), NDArray[np.float32])
    of_sigmoids = ll.sampled_binary_cross_entropy_value_and_grad(double, double, [[0, 1], [1, -1]], by_hand)
    assert_type(of_sigmoids, SampledLossesAndGradients[np.float64])


def decisions() -> None:
    assert_type(top_k(single, 2), TopK[np.float32])
    assert_type(top_k([1, 2, 3], 2), TopK[np.floating[Any]])
    assert_type(top_k(single, 2).indices, NDArray[np.int64])
    assert_type(top_k(single, 2).probabilities, NDArray[np.float32])
    assert_type(ll.fit_temperature(single, [0, 2]), float)
    rows = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]]
    rule = choose_thresholds(rows, [[1, 0, 0], [0, 1, 0], [1, 0, 1]], recall=0.9, per_label=True)
    assert_type(rule, Thresholds)
    assert_type(rule.threshold, float | NDArray[np.float64])
    sets = choose_prediction_sets(rows, [0, 1, 2], coverage=0.6)
    assert_type(sets, PredictionSets)
    assert_type(sets.chance, NDArray[np.float64] | None)
    assert_type(sets.largest_set, int)
    assert_type(rule.evidence, Evidence | None)
    calibration = ll.fit_calibration(rows, [0, 1, 2], scores_are="probabilities", method="entropy-temperature")
    assert_type(calibration, ll.Calibration)
    assert_type(calibration.beta, float)
    assert_type(calibration.entropy_betas, EntropyBetas | None)
    assert_type(calibration.vector, VectorScaling | None)
    assert_type(calibration.apply(rows), NDArray[np.float32 | np.float64])
    with TemporaryDirectory() as folder:
        ll.save_calibration(calibration, Path(folder, "calibration.json"))
        assert_type(ll.load_calibration(Path(folder, "calibration.json")), ll.Calibration)


def explanations() -> None:
    explanation = ll.explain([2.0, 1.0, 0.1], classes=["cat", "dog", "cow"], label="cat", beta=2)
    assert_type(explanation, ll.Explanation)
    assert_type(ll.explain(single[0], classes=np.arange(3), label=np.int64(0)), ll.Explanation)
    assert_type(explanation.classes, tuple[str, ...])
    assert_type(explanation.label, int | None)
    assert_type(explanation.softmax, NDArray[np.float64])
    assert_type(explanation.exponential_sum_log10, float)
    assert_type(explanation.to_dict(), dict[str, Any])
    assert_type(str(explanation), str)


def evaluations() -> None:
    rows = ll.softmax(double)
    evaluation = ll.evaluate(ll.softmax(single), ["a", "b"], classes=["a", "b", "c"])
    assert_type(evaluation, ll.Evaluation)
    assert_type(evaluation.accuracy, float)
    assert_type(evaluation.per_class.recall, NDArray[np.float64])
    assert_type(evaluation.per_class.support, NDArray[Any])
    assert_type(evaluation.reliability.rows, NDArray[Any])
    assert_type(evaluation.classes, NDArray[Any] | None)
    assert_type(evaluation.smooth_ece, float)
    assert_type(evaluation.classwise_ece, float)
    assert_type(evaluation.per_class.calibration_error, NDArray[np.float64] | None)
    assert_type(evaluation.ece_interval, tuple[float, float] | None)
    assert_type(ll.evaluate(rows, [0, 1], classwise=True, intervals=0.95, random_state=None), ll.Evaluation)
    assert_type(evaluation.aurc, float)
    assert_type(evaluation.accuracy_interval, tuple[float, float] | None)
    assert_type(ll.evaluate(rows, [0, -1], unknown_label=-1).unknown_rows, int | None)
    curve = evaluation.risk_coverage
    if curve is not None:
        assert_type(curve.threshold, NDArray[np.float64])
        assert_type(curve.unknown_answered, NDArray[np.float64] | None)
    decided = ll.evaluate_decisions([0, -1], ["a", "b"], classes=["a", "b"], cost=[[0, 1], [2, 0]], abstain_cost=0.5)
    assert_type(decided, ll.DecisionEvaluation)
    assert_type(decided.accuracy_interval, tuple[float, float] | None)
    assert_type(ll.evaluate_sets([[True, False]], [0], unknown_label=7), ll.SetEvaluation)
    assert_type(ll.evaluate_sets([[1, 0]], [0]).size_share, tuple[float, ...])
    assert_type(evaluation.to_dict(), dict[str, Any])
    assert_type(evaluation.to_json(indent=2), str)
    assert_type(ll.Evaluation.from_json(evaluation.to_json()), ll.Evaluation)
    assert_type(ll.evaluate(ll.softmax(single), labels, sample_weight=[2, 1.5]), ll.Evaluation)
    accumulator = ll.EvaluationAccumulator(classes=[7, 8, 9])
    accumulator.add(ll.softmax(single), [7, 8])
    accumulator.add(ll.softmax(double), [7, 9], sample_weight=np.array([1, 0]))
    assert_type(accumulator.rows, int)
    assert_type(accumulator.result(), ll.Evaluation)


def heads() -> None:
    X, y = np.eye(4, dtype=np.float32), np.array(["a", "b", "a", "c"])
    head = ll.SoftmaxClassifier(C=10, class_weight={"a": 2.0}, random_state=0)
    assert_type(head.fit(X, y, sample_weight=[1, 1, 2, 1]), ll.SoftmaxClassifier)
    assert_type(head.predict(X), NDArray[Any])
    assert_type(head.predict_proba(X), NDArray[np.floating[Any]])
    assert_type(head.predict_log_proba(X), NDArray[np.floating[Any]])
    assert_type(head.decision_function(X), NDArray[np.floating[Any]])
    assert_type(head.predict_top_k(X, 2), TopKClasses)
    assert_type(head.predict_top_k(X, 2).labels, NDArray[Any])
    assert_type(head.predict_top_k(X, 2).probabilities, NDArray[np.floating[Any]])
    assert_type(head.score(X, y), float)
    assert_type(head.calibrate(X, ["a", "b", "c", "c"]), ll.SoftmaxClassifier)
    assert_type(head.calibrate(X, ["a", "b", "c", "c"], sample_weight=[1, 2, 1, 1]), ll.SoftmaxClassifier)
    assert_type(ll.SoftmaxClassifier(C=np.inf, standardize=True).get_params(), dict[str, Any])
    of_path = ll.SoftmaxClassifierCV(Cs=[10], cv=2, rule="one_standard_error", random_state=0)
    assert_type(of_path.fit(X, y, sample_weight=[1, 1, 2, 1], validation=(X, y, [1, 1, 2, 1])), ll.SoftmaxClassifierCV)
    assert_type(of_path.fit(np.tile(X, (2, 1)), np.tile(y, 2), groups=[0] * 4 + [1] * 4), ll.SoftmaxClassifierCV)
    assert_type(ll.SoftmaxClassifierCV(cv=[([0, 1], [2, 3])], Cs=np.geomspace(1, 10)).get_params(), dict[str, Any])
    assert_type(of_path.C_, float)
    assert_type(of_path.Cs_, NDArray[np.float64])
    assert_type(of_path.log_losses_, NDArray[np.float64])
    assert_type(of_path.path_, CPath)
    assert_type(of_path.path_.mean_log_losses, NDArray[np.float64])
    assert_type(of_path.path_.chosen, int)
    assert_type(of_path.path_chart(60), str)
    assert_type(of_path.predict_proba(X), NDArray[np.floating[Any]])
    assert_type(of_path.calibrate(X, ["a", "b", "c", "c"]), ll.SoftmaxClassifierCV)
    assert_type(ll.PathEndWarning("Cs: ..."), ll.PathEndWarning)
    sampled = ll.SoftmaxClassifier(candidates=2, sampler=ll.samplers.Uniform(3), checkpoint=Path("fit.checkpoint"))
    assert_type(sampled.partial_fit(X, y, classes=["a", "b", "c"], sample_weight=[1, 1, 2, 1]), ll.SoftmaxClassifier)
    assert_type(sampled.training_.monitor_log_loss, float | None)
    assert_type(head.coef_, NDArray[np.floating[Any]])
    assert_type(head.classes_, NDArray[Any])
    assert_type(head.beta_, float)
    assert_type(head.optimum_, Optimum)
    assert_type(head.optimum_.expected, float)
    assert_type(head.optimum_.certificate(), str)
    assert_type(head.training_, Training)
    assert_type(head.training_.rows, int | None)
    pipeline = import_module("sklearn.pipeline").make_pipeline("passthrough", head)  # scikit-learn is not typed
    assert_type(ll.fold(pipeline), ll.SoftmaxClassifier)
    many = ll.SigmoidClassifier(C=10, class_weight="balanced").fit(X, [["a"], [], ["a", "b"], ["b"]])
    assert_type(many, ll.SigmoidClassifier)
    chosen = ll.SigmoidClassifierCV(Cs=[1.0], cv=2, rule="one_standard_error").fit(X, [["a"], [], ["a", "b"], ["b"]])
    assert_type(chosen, ll.SigmoidClassifierCV)
    assert_type(many.predict_proba(X), NDArray[np.floating[Any]])
    labelled = ll.evaluate_labels([[0.5, 0.1]], [[1, 0]], intervals=0.9)
    assert_type(labelled, ll.LabelEvaluation)
    assert_type(labelled.ranking_loss, float)
    assert_type(labelled.per_label.average_precision, NDArray[np.float64] | None)
    assert_type(labelled.micro_f1_interval, tuple[float, float] | None)
    assert_type(head.to_onnx(top=2), onnx.ModelProto)
    assert_type(many.to_onnx(None), onnx.ModelProto)
    assert_type(head.to_torch(), torch.nn.Sequential)
    assert_type(many.to_torch(), torch.nn.Sequential)
    assert_type(ll.SoftmaxClassifier.from_torch(torch.nn.Linear(4, 3), ["a", "b", "c"]), ll.SoftmaxClassifier)
    assert_type(ll.SigmoidClassifier.from_torch(torch.nn.Linear(4, 1), ["a"]), ll.SigmoidClassifier)
    logistic = import_module("sklearn.linear_model").LogisticRegression().fit(X, y)
    assert_type(ll.SoftmaxClassifier.from_sklearn(logistic), ll.SoftmaxClassifier)
    assert_type(ll.ScalingWarning("X: feature 3 ...", 3).column, int)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        head.save(path)
        assert_type(ll.load(path), ll.SoftmaxClassifier | ll.SigmoidClassifier)


def tensors() -> None:
    logits, of_labels = torch.tensor([[2.0, 1.0, 0.1], [0.0, 3.0, 1.0]]), torch.tensor(labels)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert_type(lt.softmax(logits, 1), torch.Tensor)
    assert_type(lt.log_softmax(logits, 1, beta=torch.tensor(2.0)), torch.Tensor)
    assert_type(lt.logsumexp(logits, (0, 1), keepdim=True), torch.Tensor)
    assert_type(lt.smooth_max(logits, beta=2), torch.Tensor)
    assert_type(lt.hardmax(logits), torch.Tensor)
    assert_type(lt.sigmoid(logits), torch.Tensor)
    assert_type(lt.log_sigmoid(logits), torch.Tensor)
    assert_type(lt.nll(lt.log_softmax(logits, 1), of_labels), torch.Tensor)
    assert_type(lt.cross_entropy(logits, of_labels, ignore_index=1, reduction="none"), torch.Tensor)
    assert_type(lt.soft_cross_entropy(logits, targets), torch.Tensor)
    assert_type(lt.binary_cross_entropy_with_logits(logits, targets), torch.Tensor)
    assert_type(lt.linear_cross_entropy(logits, logits, of_labels, soft_cap=30.0, z_loss=1e-4), torch.Tensor)
    statistics = lt.linear_softmax_statistics(logits, logits)
    assert_type(statistics, lt.LinearSoftmaxStatistics)
    assert_type(statistics.entropy, torch.Tensor)
    assert_type(lt.LinearCrossEntropyLoss(3, 5, bias=True).forward(logits, of_labels), torch.Tensor)
    assert_type(lt.LinearCrossEntropyLoss(3, 5).soft_cap, float | None)
    assert_type(lt.Softmax(dim=1).forward(logits), torch.Tensor)
    assert_type(lt.LogSoftmax(beta=2.0).beta, float | torch.Tensor)
    assert_type(lt.CrossEntropyLoss().forward(logits, of_labels), torch.Tensor)
    assert_type(lt.BCEWithLogitsLoss().forward(logits, targets), torch.Tensor)
    assert_type(lt.TemperatureScaling().fit(logits, torch.tensor([0, 2])), lt.TemperatureScaling)
    assert_type(lt.TemperatureScaling(2.0).beta, torch.Tensor)
    features, weight = torch.zeros(2, 4), torch.zeros(50, 4)
    drawn = ll.samplers.Uniform(50, random_state=0).sample(5)
    of_tensors = lt.Candidates(torch.tensor([3, 4]), torch.zeros(2), torch.zeros(2))
    assert_type(lt.sampled_cross_entropy(features, weight, of_labels, drawn), torch.Tensor)
    assert_type(lt.sampled_cross_entropy(features, weight, of_labels, of_tensors, reduction="none"), torch.Tensor)
    assert_type(
        lt.sampled_binary_cross_entropy(features, weight, of_labels, drawn, linear_bias=torch.zeros(50)), torch.Tensor
    )
    head = lt.SampledLinearCrossEntropyLoss(4, 50, num_candidates=5, sampler=ll.samplers.LogUniform(50), sparse=True)
    assert_type(head.forward(features, of_labels), torch.Tensor)
    assert_type(head.top_k(features, 3), lt.TopK)
    assert_type(head.top_k(features, 3).probabilities, torch.Tensor)
    assert_type(head.linear.weight, torch.Tensor)
    in_batch = lt.SampledLinearCrossEntropyLoss(4, 50, sampler=ll.samplers.InBatch(50))
    assert_type(in_batch.num_candidates, int | None)


def sharded(mesh: DeviceMesh) -> None:
    """Not run, since it needs a group of processes."""
    features, of_labels = torch.zeros(2, 4), torch.tensor(labels)
    head = lt.ShardedLinearCrossEntropyLoss(4, 50, mesh, bias=True, weight=torch.ones(50), num_candidates=5)
    assert_type(head.forward(features, of_labels), torch.Tensor)
    assert_type(head.top_k(features, 3), lt.TopK)
    assert_type(head.gathered(), torch.nn.Linear)
    assert_type(head.linear.weight, torch.Tensor)
    assert_type(head.num_candidates, int | None)
    assert_type(head.mesh, DeviceMesh)
    assert_type(head.classes_here, range)


for check in (functions, losses, samplers, decisions, evaluations, heads, tensors):
    check()
