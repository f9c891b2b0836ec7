"""The kernels of `cross_entropy` along an axis that is not the last, as in `columns`: labels are (outer, inner)."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.cross_entropy_lanes import gradient_of_lanes, losses_of_lanes
from lastlayer.kernels.exponential import plain_scale


@compiled
def cross_entropy_losses_columns(logits, labels, losses, kept, state, label_state, first, last):
    """cross_entropy_losses_rows along the middle axis: `losses` and each of `kept` (outer, inner)."""
    constants = plain_scale(logits)
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], label_state.shape[1])
        outer, start, stop = where
        part = kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]
        of_item = labels[outer, start:stop], losses[outer, start:stop]
        losses_of_lanes(logits, where, *of_item, part, constants, state, label_state)


@compiled
def cross_entropy_gradient_columns(logits, labels, row_scale, kept, gradient, label_state, first, last):
    """cross_entropy_gradient_rows along the middle axis: `row_scale` and each of `kept` (outer, inner)."""
    constants = plain_scale(logits)
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], label_state.shape[1])
        outer, start, stop = where
        part = kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]
        of_item = labels[outer, start:stop], row_scale[outer, start:stop]
        gradient_of_lanes(logits, where, *of_item, part, gradient, where, constants, label_state)
