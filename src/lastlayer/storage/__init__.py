"""A head or a calibration on disk, replaced as a whole or not at all."""

from lastlayer.storage.calibration_file import calibration_document, load_calibration, save_calibration
from lastlayer.storage.class_labels import CLASS_TENSORS, FEATURE_NAMES, decode_classes, encode_classes
from lastlayer.storage.head_file import UnreadableHead, read_digest, read_head, read_header, write_head
from lastlayer.storage.replacement import UnwritableFile, replacement, require_writable, unwritable

__all__ = [
    "CLASS_TENSORS",
    "FEATURE_NAMES",
    "UnreadableHead",
    "UnwritableFile",
    "calibration_document",
    "decode_classes",
    "encode_classes",
    "load_calibration",
    "read_digest",
    "read_head",
    "read_header",
    "replacement",
    "require_writable",
    "save_calibration",
    "unwritable",
    "write_head",
]
