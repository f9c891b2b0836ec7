"""From scores to decisions: the most probable classes of each row."""

from lastlayer.decision.top_k import TopK, top_k

__all__ = ["TopK", "top_k"]
