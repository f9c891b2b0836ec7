"""A page as a file, as a whole or not at all."""

import os

from lastlayer.storage import replacement


def write_report(path: str | os.PathLike[str], page: str) -> None:
    """Write the HTML document `page` to `path`. Raises: UnwritableFile if the folder or the disk does not take it."""
    with replacement(path) as beside:
        beside.write_text(page, encoding="utf-8")
