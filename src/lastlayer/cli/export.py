"""`lastlayer export`: a model file as an ONNX file, for another runtime."""

import click

from lastlayer.cli.arguments import CommandWithExamples, json_option, model_argument
from lastlayer.cli.distinct_files import share_a_file
from lastlayer.cli.printing import print_json, print_table
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import load_model
from lastlayer.storage import require_writable
from lastlayer.tables import InputError


@click.command(
    "export",
    cls=CommandWithExamples,
    examples=[
        "lastlayer export kind.safetensors --onnx kind.onnx",
        "lastlayer export kind.safetensors --onnx kind.onnx --top 5",
    ],
)
@model_argument
@click.option("--onnx", required=True, metavar="FILE", type=click.Path(), help="The ONNX file to write.")
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Also the K likeliest classes of every row.")
@json_option
def command(model: str, onnx: str, top: int | None, as_json: bool) -> None:
    """Write a model as an ONNX file, for onnxruntime and others.

    The input is called features, rows by columns of float32, in the order in which the model knows its features. The
    outputs are label and probabilities; of a model of many labels a row labels, which are more probable than not, and
    probabilities; with --top K also top_labels and top_probabilities. What is written is printed.

    The model's decision rule answers in the file too. If it may say "don't know", label_index is -1 there, and label
    is empty, -1 or NaN, or the label that the rule was given for it.

    Everything is computed in float32; docs/export.md has how near that is. FILE appears when it is whole.
    """
    if share_a_file([onnx], [model]):
        raise click.UsageError(f"--onnx {onnx}: is the model itself, expected another file; it would be overwritten")
    require_writable(onnx)
    head = load_model(model)
    if top is not None and top > len(head.classes_):
        raise InputError(f"--top {top}: {model} has {len(head.classes_)} classes, expected at most that many.")
    try:
        with about_the_input():
            written = head.to_onnx(onnx, top=top)
    except ModuleNotFoundError as failure:
        raise InputError(str(failure)) from failure
    values = [_described(value, "input") for value in written.graph.input]
    values += [_described(value, "output") for value in written.graph.output]
    if as_json:
        properties = {entry.key: entry.value for entry in written.metadata_props}
        print_json(
            {
                "schema": 1,
                "model": model,
                "onnx": onnx,
                "bytes": written.ByteSize(),
                "opset": written.opset_import[0].version,
                "ir_version": written.ir_version,
                "digest": properties["digest"],
                "inputs": [value for value in values if value["is"] == "input"],
                "outputs": [value for value in values if value["is"] == "output"],
            }
        )
    else:
        rows = [[value["name"], value["is"], value["dtype"], _shape(value["shape"])] for value in values]
        print_table(["name", "is", "type", "shape"], rows)


def _described(value, role):
    """What an input or an output is called and holds, as JSON has it; an axis of any length is its name."""
    kind = value.type.tensor_type
    return {
        "is": role,
        "name": value.name,
        "dtype": _DTYPES[kind.elem_type],
        "shape": [axis.dim_param or axis.dim_value for axis in kind.shape.dim],
    }


# By the numbers that ONNX gives them.
_DTYPES = {1: "float32", 7: "int64", 8: "string", 9: "bool", 11: "float64"}


def _shape(axes):
    return " x ".join(map(str, axes))
