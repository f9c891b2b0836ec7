"""Gradients by way of a composition of PyTorch's operators, for what a backward of one's own does not serve."""

from collections.abc import Callable, Sequence

import torch


def composed_gradients(
    function: Callable[..., tuple[torch.Tensor, ...]],
    tensors: Sequence[torch.Tensor | None],
    needed: Sequence[bool],
    upstream: Sequence[torch.Tensor],
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of the outputs of `function(*tensors)`, None where they are not needed.

    They may be differentiated again where gradients are recorded, and may hold many upstream gradients at once.
    """
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, so that gradients end here whatever the inputs depend on.
        views = [
            _view(tensor, again) if tensor is not None and wanted else tensor
            for tensor, wanted in zip(tensors, needed, strict=True)
        ]
        pairs = [(output, g) for output, g in zip(function(*views), upstream, strict=True) if output.requires_grad]
        inputs = [view for view, wanted in zip(views, needed, strict=True) if wanted and view is not None]
        found = iter(torch.autograd.grad([o for o, _ in pairs], inputs, [g for _, g in pairs], create_graph=again))
    return tuple(next(found) if wanted else None for wanted in needed)


def _view(tensor, again):
    return tensor.view_as(tensor) if again else tensor.detach().requires_grad_()
