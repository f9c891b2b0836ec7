"""From scores to decisions: the most probable classes of each row."""

from lastlayer.decision.linear_top_k import linear_top_k
from lastlayer.decision.top_k import TopK, top_k

__all__ = ["TopK", "linear_top_k", "top_k"]
