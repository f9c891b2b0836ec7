"""The kernels of `cross_entropy` along an axis that is not the last, as in `columns`: labels are (outer, inner)."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.cross_entropy_lanes import gradient_in_place, losses_of_lanes
from lastlayer.kernels.exponential import plain_scale
from lastlayer.kernels.lanes import lanes_in, lanes_out


@compiled
def cross_entropy_losses_columns(logits, labels, losses, kept, tile, state, label_state, first, last):
    """cross_entropy_losses_rows along the middle axis: `losses` and each of `kept` (outer, inner)."""
    constants = plain_scale(logits)
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, logits.shape[2], tile.shape[1])
        lanes_in(logits, outer, start, stop, tile)
        part = kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]
        of_item = labels[outer, start:stop], losses[outer, start:stop]
        losses_of_lanes(tile, *of_item, part, constants, state, label_state)


@compiled
def cross_entropy_gradient_columns(logits, labels, row_scale, kept, gradient, tile, label_state, first, last):
    """cross_entropy_gradient_rows along the middle axis: `row_scale` and each of `kept` (outer, inner)."""
    constants = plain_scale(logits)
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, logits.shape[2], tile.shape[1])
        lanes_in(logits, outer, start, stop, tile)
        part = kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]
        of_item = labels[outer, start:stop], row_scale[outer, start:stop]
        gradient_in_place(tile, *of_item, part, constants, label_state)
        lanes_out(tile, gradient, outer, start, stop)
