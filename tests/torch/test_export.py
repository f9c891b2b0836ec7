"""Programs that leave Python: exported, recorded and scripted ones, and what other runtimes make of them."""

import importlib
import io
import sys
from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch

import lastlayer.torch as lt

# PyTorch's own exporters call what PyTorch deprecated.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)
generator = torch.Generator().manual_seed(0)
Z = torch.randn(6, 5, 2, 3, generator=generator)
ROWS = torch.randn(6, 5, generator=generator)
LABELS = torch.randint(0, 5, (6,), generator=generator)
TARGETS = torch.rand(6, 5, generator=generator)
WEIGHT = torch.tensor([0.5, 0.0, 1.0, 2.0, 1.5])
PROGRAMS = {
    "Softmax": (lt.Softmax(1), (Z,)),
    "Softmax with beta": (lt.Softmax(-1, beta=2.5), (Z,)),
    "Softmax with a learned beta": (lt.Softmax(1, beta=torch.nn.Parameter(torch.tensor(0.5))), (Z,)),
    "Softmax2d": (lt.Softmax2d(beta=2.0), (Z,)),
    "LogSoftmax": (lt.LogSoftmax(1, beta=0.5), (ROWS,)),
    "Sigmoid": (lt.Sigmoid(), (Z,)),
    "CrossEntropyLoss": (lt.CrossEntropyLoss(), (ROWS, LABELS)),
    "CrossEntropyLoss with options": (lt.CrossEntropyLoss(WEIGHT, label_smoothing=0.1), (ROWS, LABELS)),
    "CrossEntropyLoss of probabilities": (lt.CrossEntropyLoss(WEIGHT), (ROWS, TARGETS)),
    "BCEWithLogitsLoss": (lt.BCEWithLogitsLoss(TARGETS), (ROWS, TARGETS)),
    "LinearCrossEntropyLoss": (
        lt.LinearCrossEntropyLoss(5, 5, weight=WEIGHT, label_smoothing=0.1, soft_cap=3.0, z_loss=0.1),
        (ROWS, LABELS),
    ),
    "LinearCrossEntropyLoss of probabilities": (lt.LinearCrossEntropyLoss(5, 5, bias=True), (ROWS, TARGETS)),
    "TemperatureScaling": (lt.TemperatureScaling(2.0), (ROWS,)),
}
for _module, _ in PROGRAMS.values():
    _module.eval()
every_program = pytest.mark.parametrize(("module", "inputs"), PROGRAMS.values(), ids=PROGRAMS)
LOSSES = [name for name in PROGRAMS if "Loss" in name]


def test_trap_40_an_exported_program_needs_no_lastlayer(monkeypatch):
    module = torch.nn.Sequential(torch.nn.Linear(5, 5), lt.Softmax(1, beta=2.5)).eval()
    rows, file = torch.export.Dim("rows"), io.BytesIO()
    torch.export.save(torch.export.export(module, (ROWS,), dynamic_shapes=({0: rows},)), file)
    expected = module(ROWS[:4])
    for name in [name for name in sys.modules if name.split(".")[0] == "lastlayer"]:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(ImportError):
        importlib.import_module("lastlayer.torch")
    file.seek(0)
    torch.testing.assert_close(torch.export.load(file).module()(ROWS[:4]), expected)


@cache
def exported(name):
    """The program for any number of rows; the weights of BCEWithLogitsLoss are of as many as its inputs."""
    module, inputs = PROGRAMS[name]
    rows = torch.export.Dim("rows", min=1) if name != "BCEWithLogitsLoss" else None
    return torch.export.export(module, inputs, dynamic_shapes=tuple({0: rows} for _ in inputs)).run_decompositions()


@pytest.mark.thorough
@pytest.mark.parametrize("name", PROGRAMS)
def test_trap_40_exports_to_pytorchs_core_operators_for_any_number_of_rows(name):
    (module, inputs), program = PROGRAMS[name], exported(name)
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert all(target.startswith(("aten.", "<built-in function", "sym_")) for target in targets), targets
    for count in (2, 5) if name != "BCEWithLogitsLoss" else (len(inputs[0]),):
        given = [tensor[:count] for tensor in inputs]
        torch.testing.assert_close(program.module()(*given), module(*given))


@pytest.mark.thorough
@pytest.mark.parametrize("name", LOSSES)
def test_trap_10_an_exported_mean_over_nothing_is_0(name):
    (_, inputs), program = PROGRAMS[name], exported(name).module()
    assert program(inputs[0], torch.full_like(inputs[1], -100)).isfinite() or inputs[1].is_floating_point()
    if not inputs[1].is_floating_point():
        assert program(inputs[0], torch.full_like(inputs[1], -100)) == 0


# The newer exporter takes a second for each: one output layer, one loss of logits and one of features.
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "dynamo"),
    [(name, False) for name in PROGRAMS]
    + [(name, True) for name in ("TemperatureScaling", "CrossEntropyLoss", "LinearCrossEntropyLoss")],
)
def test_trap_40_onnx_by_both_exporters(name, dynamo):
    module, inputs = PROGRAMS[name]
    names, buffer = ["logits", "target"][: len(inputs)], io.BytesIO()
    if dynamo:
        torch.onnx.export(module, inputs, dynamo=True, input_names=names, verbose=False).save(buffer)
    else:
        torch.onnx.export(module, inputs, buffer, dynamo=False, input_names=names, opset_version=17)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    given = {argument.name: tensor.numpy() for argument, tensor in zip(session.get_inputs(), inputs, strict=True)}
    (found,) = session.run(None, given)
    np.testing.assert_allclose(found, module(*inputs).detach().numpy(), rtol=2e-5, atol=2e-6)


@every_program
def test_trap_40_torch_fx_records_modules(module, inputs):
    graph = torch.fx.symbolic_trace(module)
    torch.testing.assert_close(graph(*inputs), module(*inputs))
    assert "call_function" in {node.op for node in graph.graph.nodes} or not list(graph.graph.nodes)


@every_program
def test_trap_40_torch_jit_scripts_and_traces_modules(module, inputs):
    if "TemperatureScaling" not in type(module).__name__:
        scripted = torch.jit.script(module)
        torch.testing.assert_close(scripted(*inputs), module(*inputs))
    traced = torch.jit.trace(module, inputs)
    torch.testing.assert_close(traced(*inputs), module(*inputs))


@pytest.mark.usefixtures("kernels")
@every_program
def test_trap_40_no_kernel_is_baked_into_a_recorded_program(module, inputs):
    traced = torch.jit.trace(module, inputs)
    other = (inputs[0].flip(0) * 2, *inputs[1:])
    torch.testing.assert_close(traced(*other), module(*other))


def scripted_softmax(logits: torch.Tensor) -> torch.Tensor:
    return lt.softmax(logits, dim=1, beta=2.0) + lt.log_softmax(logits, 1)


def scripted_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = lt.cross_entropy(logits, labels, ignore_index=1, reduction="none")
    return losses + lt.nll(logits, labels, reduction="none")


def test_trap_40_torch_jit_scripts_functions():
    torch.testing.assert_close(torch.jit.script(scripted_softmax)(ROWS), scripted_softmax(ROWS))
    torch.testing.assert_close(torch.jit.script(scripted_losses)(ROWS, LABELS), scripted_losses(ROWS, LABELS))
    for function in (lt.softmax, lt.log_softmax):
        scripted = torch.jit.script(function)
        torch.testing.assert_close(scripted(ROWS, 1, beta=torch.tensor(2.0)), function(ROWS, 1, beta=2.0))
        torch.testing.assert_close(scripted(ROWS, 1, dtype=torch.float64), function(ROWS, 1, dtype=torch.float64))


def test_trap_40_nothing_is_registered():
    assert not [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("lastlayer")]


def test_labels_of_bytes_are_no_mask():
    logits, weight = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, 2, 30, 400])
    labels = torch.tensor([1, 2, 2, 1], dtype=torch.uint8)
    module = lt.CrossEntropyLoss(weight)
    expected = torch.nn.functional.cross_entropy(logits, labels, weight)
    for loss in (module, torch.jit.trace(module, (logits, labels)), torch.jit.script(module)):
        torch.testing.assert_close(loss(logits, labels), expected)
    assert lt.cross_entropy(torch.zeros(0, 4), labels[:0], weight) == 0
