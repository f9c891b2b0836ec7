"""Ray played in this process: its actors are objects here, which answer at once."""

import pickle
from types import SimpleNamespace
from typing import Any, NamedTuple

from ray import cloudpickle


class RayHere:
    """What `lastlayer.ray.workers` asks of the module `ray`.

    Args:
      made: function of what an actor is started with to the object that answers its methods; None for the actor's own
        class.
      fails: function of such an object, the name of its method and the arguments, which may raise what Ray would.

    Attributes:
      actors: all of these objects, in the order of their start.
    """

    def __init__(self, made=None, fails=lambda *_: None):
        self.made, self.fails, self.actors = made, fails, []

    def remote(self, kind):
        def start(*arguments):
            self.actors.append((self.made or kind)(*arguments))
            return _Actor(self.actors[-1], self.fails)

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=start))

    def put(self, value):
        return value

    def get(self, references):
        if isinstance(references, list):
            return [self.get(one) for one in references]
        if references.failure is not None:
            raise references.failure
        return references.found

    def wait(self, references, timeout):
        return references, []

    def kill(self, actor):
        pass


def _sent(value):
    """What arrives of it in another process: a copy, whose arrays Ray shares and nobody may write to."""
    buffers = []
    written = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(written, buffers=[bytes(buffer) for buffer in buffers])


class _Reference(NamedTuple):
    found: Any
    failure: Exception | None


class _Actor:
    def __init__(self, answers, fails):
        self._answers, self._fails = answers, fails

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *arguments: self._called(name, arguments))

    def _called(self, name, arguments):
        # What is handed on by reference arrives as what it stands for.
        arguments = [_sent(one.found if isinstance(one, _Reference) else one) for one in arguments]
        try:
            self._fails(self._answers, name, arguments)
            found, failure = _sent(getattr(self._answers, name)(*arguments)), None
        except Exception as raised:
            found, failure = None, raised
        if name == "answer":
            return [_Reference(part, failure) for part in (found or (None, None))]
        return _Reference(found, failure)
