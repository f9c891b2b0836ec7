"""Whether a file that is written, or read for another purpose, is a file that is read."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path

import click


def require_apart(output: str, inputs: Iterable[str], *, option: str = "-o") -> None:
    """Raise UsageError if `output`, the value of `option`, is one of `inputs`, which are files or patterns."""
    if share_a_file([output], inputs):
        raise click.UsageError(f"{option} {output}: is also an input, expected another file; it would be overwritten")


def share_a_file(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether any of `some` is also among `others`: files, or patterns of them."""
    files = [Path(path) for path in some if Path(path).exists()]
    return any(Path(path).samefile(file) for pattern in others for path in _matches(pattern) for file in files)


def _matches(pattern):
    return [pattern] if Path(pattern).exists() else glob(str(pattern), recursive=True)
