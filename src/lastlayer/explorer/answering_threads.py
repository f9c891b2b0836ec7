"""The few threads that work out answers, while the one that talks to browsers goes on."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class AnsweringThreads:
    """Daemon threads, so that none that still works out an answer holds up the end of the process.

    Starlette's own threads are forty, which would take turns, and are waited for at the end.
    """

    def __init__(self, count: int) -> None:
        """`count`: how many; they start with the first call."""
        self._count = count
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._start = threading.Lock()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What function(*arguments) returns or raises in one of the threads."""
        with self._start:
            for number in range(self._count):
                threading.Thread(target=self._work, name=f"answers-{number}", daemon=True).start()
            self._count = 0
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._calls.put((function, arguments, loop, answer))
        return await answer

    def _work(self):
        while True:
            self._do(*self._calls.get())

    def _do(self, function, arguments, loop, answer):
        # A frame of its own: between two calls nothing of the last one is kept.
        try:
            settle, value = _succeed, function(*arguments)
        except BaseException as failure:
            settle, value = _fail, failure
        try:
            loop.call_soon_threadsafe(settle, answer, value)
        except RuntimeError:
            return  # the loop was closed meanwhile


def _succeed(answer, value):
    if not answer.done():
        answer.set_result(value)


def _fail(answer, failure):
    if not answer.done():
        answer.set_exception(failure)
