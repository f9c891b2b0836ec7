"""The kernels of `cross_entropy` along an axis that is not the last, as in `columns`: labels are (outer, inner)."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.cross_entropy_lanes import gradient_in_place, losses_of_lanes
from lastlayer.kernels.exponential import plain_scale
from lastlayer.kernels.lanes import copy_lanes


@compiled
def cross_entropy_losses_columns(logits, labels, losses, kept, state, label_state, first, last):
    """cross_entropy_losses_rows along the middle axis: `losses` and each of `kept` (outer, inner)."""
    width, inner, constants = state.shape[1], logits.shape[2], plain_scale(logits)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        stop = min(start + width, inner)
        losses_of_lanes(
            logits,
            outer,
            start,
            stop,
            labels[outer, start:stop],
            losses[outer, start:stop],
            (kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]),
            constants,
            state,
            label_state,
        )


@compiled
def cross_entropy_gradient_columns(logits, labels, row_scale, kept, gradient, label_state, first, last):
    """cross_entropy_gradient_rows along the middle axis: `row_scale` and each of `kept` (outer, inner)."""
    width, inner, constants = label_state.shape[1], logits.shape[2], plain_scale(logits)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        stop = min(start + width, inner)
        copy_lanes(logits, gradient, outer, start, stop)
        gradient_in_place(
            gradient,
            outer,
            start,
            stop,
            labels[outer, start:stop],
            row_scale[outer, start:stop],
            (kept[0][outer, start:stop], kept[1][outer, start:stop], kept[2][outer, start:stop]),
            constants,
            label_state,
        )
