"""Labels looked at once: how many are kept, and how many are none."""

from lastlayer.kernels._compile import compiled


@compiled
def count_labels(labels, num_classes, ignored):
    """How many of the (n,) int64 labels differ from `ignored`, and how many of those are outside 0..num_classes-1."""
    kept = wrong = 0
    for i in range(labels.size):
        differs = labels[i] != ignored
        kept += differs
        wrong += differs & ((labels[i] < 0) | (labels[i] >= num_classes))
    return kept, wrong
