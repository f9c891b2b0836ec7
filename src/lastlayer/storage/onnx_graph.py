"""An ONNX model under construction: constants, nodes and outputs of one graph, each named after what it holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import onnx
except ModuleNotFoundError as _failure:
    raise ModuleNotFoundError(
        "to_onnx: the package onnx is not installed; install it with: pip install 'lastlayer[onnx]'"
    ) from _failure

# The oldest pair that has every operator in its present form: onnxruntime reads it since 1.14, of 2023.
OPSET, IR_VERSION = 18, 8
# What a protobuf file, and so an ONNX file, can hold.
_MOST_BYTES = (1 << 31) - 1
# The axis of rows, of which a run may have any number.
ROWS = "rows"


class OnnxGraph:
    """Nodes are added one by one; the name that a method returns is what later nodes take as their input."""

    def __init__(self, name: str):
        """Begin an empty graph called `name`."""
        self._name = name
        self._constants: dict[str, onnx.TensorProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: Any, *shape: int | str) -> str:
        """Declare an input."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array: numbers in their own dtype, or an object array of str. The same name is the same array."""
        if name not in self._constants:
            self._constants[name] = onnx.numpy_helper.from_array(values, name)
        return name

    def node(self, operator: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add an operator of the standard set, whose outputs are called `outputs`; the name of the last."""
        self._nodes.append(onnx.helper.make_node(operator, inputs, outputs, name=outputs[-1], **attributes))
        return outputs[-1]

    def output(self, name: str, dtype: Any, *shape: int | str) -> None:
        """Declare what a node computes as an output."""
        self._outputs.append(_value(name, dtype, shape))

    def model(self, producer: str, version: str, description: str, metadata: dict[str, str]) -> "onnx.ModelProto":
        """The whole. Raises: ValueError if it is larger than a file of this format can be."""
        graph = onnx.helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, [*self._constants.values()], doc_string=description
        )
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer,
            producer_version=version,
            doc_string=description,
        )
        onnx.helper.set_model_props(model, metadata)
        size = model.ByteSize()
        if size > _MOST_BYTES:
            raise ValueError(
                f"to_onnx: the head takes {size / 2**30:.1f} GiB, but a file of ONNX holds at most 2; "
                "serve it with predict_top_k, or export fewer classes."
            )
        return model


def _value(name, dtype, shape):
    kind = onnx.TensorProto.STRING if dtype is str else onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return onnx.helper.make_tensor_value_info(name, kind, shape)
