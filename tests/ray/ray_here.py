"""Ray played in this process: its actors are objects here, which answer at once."""

from types import SimpleNamespace


class RayHere:
    """What `lastlayer.ray.workers` asks of the module `ray`.

    Args:
      made: function of what an actor is started with to the object that answers its methods; None is what it is made
        of.
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
        found, failure = references
        if failure is not None:
            raise failure
        return found

    def wait(self, references, timeout):
        return references, []

    def kill(self, actor):
        pass


class _Actor:
    def __init__(self, answers, fails):
        self._answers, self._fails = answers, fails

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *arguments: self._called(name, arguments))

    def _called(self, name, arguments):
        try:
            self._fails(self._answers, name, arguments)
            found, failure = getattr(self._answers, name)(*arguments), None
        except Exception as raised:
            found, failure = None, raised
        if name == "answer":
            return [(part, failure) for part in (found or (None, None))]
        return found, failure
