"""An ONNX model on disk, replaced as a whole or not at all."""

import os
from typing import TYPE_CHECKING

from lastlayer.storage.replacement import replacement

if TYPE_CHECKING:
    import onnx


def write_onnx(model: "onnx.ModelProto", path: str | os.PathLike[str]) -> None:
    """Write `model` to the one file `path`. Raises: UnwritableFile if the disk does not take it; the old file stays."""
    content = model.SerializeToString()
    with replacement(path) as beside:
        beside.write_bytes(content)
