"""A linear head on features: blocks of its logits, and the products that its gradient is made of."""

from lastlayer.linear.features import DenseFeatures, FeatureMatrix, SparseFeatures, working_dtype
from lastlayer.linear.head_logits import HeadLogits
from lastlayer.linear.logit_blocks import LogitBlocks, write_logits
from lastlayer.linear.sweep import Gradients, Head, TileOperation, sweep

__all__ = [
    "DenseFeatures",
    "FeatureMatrix",
    "Gradients",
    "Head",
    "HeadLogits",
    "LogitBlocks",
    "SparseFeatures",
    "TileOperation",
    "sweep",
    "working_dtype",
    "write_logits",
]
