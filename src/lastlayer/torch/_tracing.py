"""What stands in a recorded program in place of a call: torch.fx records it, TorchScript compiles another function."""

from collections.abc import Callable
from typing import Any

import torch


def is_recorded(*tensors: object) -> bool:
    """Whether torch.fx records what is done with one of them: there are no dtypes and shapes to decide by."""
    return any(isinstance(tensor, torch.fx.Proxy) for tensor in tensors)


def record(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The call of `function` as one node of the graph, which decides when the graph runs."""
    values = [*arguments, *options.values()]
    proxies = [value for value in values if isinstance(value, torch.fx.Proxy)]
    return torch.overrides.handle_torch_function(function, proxies, *arguments, **options)


def compile_instead(function: Callable[..., Any], scriptable: Callable[..., Any]) -> None:
    """Let torch.jit.script compile `scriptable`, of the same arguments, wherever a program calls `function`."""
    function.__prepare_scriptable__ = lambda: scriptable
