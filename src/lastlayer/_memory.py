"""How much memory a computation may take beside its data."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lastlayer._available_memory import available_memory

_allowed: ContextVar[float | None] = ContextVar("allowed", default=None)


@contextmanager
def memory_allowance(num_bytes: float) -> Iterator[None]:
    """Within: what is kept only to be quicker, such as the logits of all rows, takes at most so many bytes.

    It holds for what is called here in this thread, and says nothing of what a computation cannot do without.
    """
    token = _allowed.set(num_bytes)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed_bytes() -> float:
    """The bytes of the innermost `memory_allowance`; where there is none, half of what is free."""
    allowed = _allowed.get()
    return available_memory() / 2 if allowed is None else allowed
