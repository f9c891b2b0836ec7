"""The same fit over many machines, by Ray: `import lastlayer.ray`; needs the extra `ray`."""

try:
    import ray as _ray  # noqa: F401 - asked for first, so that its absence gets a sentence of its own
except ModuleNotFoundError as _failure:
    raise ModuleNotFoundError(
        'lastlayer.ray: Ray is not installed; install it with: pip install "lastlayer[ray]"'
    ) from _failure

from lastlayer.ray.evaluate import evaluate
from lastlayer.ray.fit import fit
from lastlayer.ray.predict import predict

__all__ = ["evaluate", "fit", "predict"]
