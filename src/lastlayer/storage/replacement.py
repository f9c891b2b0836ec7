"""A file that is either the old one or the whole new one, never something between."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class UnwritableFile(OSError, ValueError):  # noqa: N818 - read as what it says: the file is unwritable
    """A file that could not be written; what stood there before is untouched."""


@contextmanager
def replacement(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a new, empty file beside `path`, which takes the place of `path` once the block has succeeded.

    The new file is flushed to the disk before the old one goes. When the block fails or is interrupted, the new
    file is removed. A process that is killed leaves at most a hidden `.NAME.xxxxxxxx.tmp` beside the old file.
    The permissions are, from the first byte on, those of the file that is replaced, else those of any new file; a
    symbolic link stays, and what it points to is replaced.

    Args:
      path: the file to write, str or path-like.
    Yields: pathlib.Path of the file to write to.
    Raises: UnwritableFile if the folder or the disk does not take it, ValueError among its bases.
    """
    target = Path(os.path.realpath(path))
    try:
        old_mode = _replaceable(target)
        beside = _create_beside(target, old_mode)
        mode = stat.S_IMODE(beside.stat().st_mode) if old_mode is None else old_mode
    except OSError as failure:
        raise unwritable(path, _reason(failure)) from failure
    try:
        try:
            yield beside
            _flush(beside, os.O_RDWR)
            beside.chmod(mode)  # whoever wrote it may have put a private file of its own in its place
            os.replace(beside, target)
        except OSError as failure:
            if isinstance(failure, UnwritableFile) or failure.errno is None:
                raise
            raise unwritable(path, _reason(failure)) from failure
    except BaseException:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
    # The new name itself must outlive a power cut. Not every system lets a folder be opened or flushed; the content is
    # on the disk by now, so there is nothing to undo.
    with suppress(OSError):
        _flush(target.parent, os.O_RDONLY)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise UnwritableFile now if `replacement(path)` could not begin, before hours are spent on the content."""
    target = Path(os.path.realpath(path))
    try:
        _create_beside(target, _replaceable(target)).unlink()
    except OSError as failure:
        raise unwritable(path, _reason(failure)) from failure


def unwritable(path: str | os.PathLike[str], reason: str) -> UnwritableFile:
    """The error that says why `path` was not written."""
    return UnwritableFile(
        f"{os.fspath(path)}: cannot be written ({reason}), expected a file in a folder that takes it; "
        "choose another place or make room."
    )


def _replaceable(target):
    """The permission bits of the regular file at `target`, None if there is none. A device is never replaced."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{target} is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(f"{target} is not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is read-only")
    return stat.S_IMODE(mode)


def _create_beside(target, mode):
    """A new, empty file in the folder of `target`, with permissions `mode`; None are those of any new file."""
    # The name is shortened: with the suffix it must stay within the 255 bytes of a file name.
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else 0o600 & mode))
    if mode is not None:
        beside.chmod(mode)  # past the umask, while the file is still empty
    return beside


def _flush(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(failure):
    return failure.strerror or str(failure)
