"""The same fit over many machines, by Ray: `import lastlayer.ray`; needs the extra `ray`.

Names are imported on first use: a worker, which needs none of them, is ready the sooner.
"""

try:
    import ray as _ray  # noqa: F401 - asked for first, so that its absence gets a sentence of its own
except ModuleNotFoundError as _failure:
    raise ModuleNotFoundError(
        'lastlayer.ray: Ray is not installed; install it with: pip install "lastlayer[ray]"'
    ) from _failure

from lastlayer import _first_use

_HOME = {
    "CheckpointWarning": "fit_checkpoint",
    "evaluate": "evaluate_files",
    "evaluate_labels": "evaluate_label_files",
    "fit": "fit_files",
    "fit_labels": "fit_label_files",
    "predict": "predict_files",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = _first_use.on_first_use(__name__, _HOME)
