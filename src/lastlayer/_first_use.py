"""The public names of a package, each imported on first use (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def on_first_use(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package takes for its `__getattr__` and `__dir__`.

    Args:
      package: its full name.
      homes: by name, the module of the package that has it; "" for a name that is itself a module. No other module may
        be called as a name: Python would show it in the name's place.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: Any = importlib.import_module(f"{package}.{homes[name] or name}")
        if homes[name]:
            value = getattr(value, name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
