"""What do we do about it? From scores to the few classes worth looking at."""

from lastlayer.decision.top_k import TopK, top_k

__all__ = ["TopK", "top_k"]
