"""A head on disk: one safetensors file with a JSON header, replaced as a whole or not at all."""

from lastlayer.storage.class_labels import CLASS_TENSORS, FEATURE_NAMES, decode_classes, encode_classes
from lastlayer.storage.head_file import UnreadableHead, read_head, read_header, write_head
from lastlayer.storage.replacement import UnwritableFile, replacement, require_writable, unwritable

__all__ = [
    "CLASS_TENSORS",
    "FEATURE_NAMES",
    "UnreadableHead",
    "UnwritableFile",
    "decode_classes",
    "encode_classes",
    "read_head",
    "read_header",
    "replacement",
    "require_writable",
    "unwritable",
    "write_head",
]
