"""What commands with --ray share: the extra that they need, options that they do not go with, and standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType

import click

from lastlayer.cli.refusals import about_the_input
from lastlayer.tables import InputError

# Words of the library, and those of the command.
_OPTIONS = {"num_workers:": "--workers:", "leave such rows out with where": "leave such rows out with --where"}


@contextmanager
def on_ray() -> Iterator[ModuleType]:
    """Within: lastlayer.ray, what it refuses as an InputError, and what Ray prints of its own on standard error."""
    with redirect_stdout(sys.stderr), _in_words_of_options(), about_the_input():
        try:
            import lastlayer.ray as lastlayer_ray
        except ModuleNotFoundError as failure:
            if failure.name != "ray" and "lastlayer[ray]" not in str(failure):
                raise
            raise click.UsageError(
                "--ray: Ray is not installed, expected the extra: pip install 'lastlayer[ray]'"
            ) from failure
        yield lastlayer_ray


@contextmanager
def _in_words_of_options():
    """Within: an error about a parameter is about the option that gives it."""
    try:
        yield
    except InputError as failure:
        sentence = str(failure)
        for parameter, option in _OPTIONS.items():
            sentence = sentence.replace(parameter, option, 1)
        raise InputError(sentence) from failure


def refuse_beside_ray(ray: str | None, workers: int | None, **options: object) -> None:
    """Raise UsageError for an option that does not go with --ray, or for --workers without it."""
    if ray is None:
        if workers is not None:
            raise click.UsageError("--workers: stands without --ray, expected both; leave it out")
        return
    for name, value in options.items():
        if value not in (None, False, (), 0.0):
            raise click.UsageError(f"--{name.replace('_', '-')}: does not go with --ray, expected one; leave one out")
