"""Features on a disk, for a fit of more rows than memory holds: written once, in batches, and mapped.

The file has no name where the system allows that, as Linux does: nothing is left of it when the process ends, whatever
ends it.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lastlayer._available_memory import readable
from lastlayer.tables.input_error import InputError

# Numbers that are moved at a time.
_MOVED = 1 << 20
# File systems that keep files in memory, where a spool would save none.
_IN_MEMORY = ("tmpfs", "ramfs")
# Where temporary files may be large, if the usual folder is kept in memory.
_LARGE_FILES = "/var/tmp"


class Spool:
    """Room for (num_rows, width) features on a disk, reserved before the first row is there.

    Within its `with` rows are added and at last mapped. What is mapped stays, and takes the room as long as it is used.

    Args:
      num_rows: the rows that will come, at most.
      width: numbers of a row.
      dtype: what they are kept in.
      folder: where; None is `spool_folder()`.
    Raises: InputError, with the bytes that it takes, if the folder is none, or its disk has less room.
    """

    def __init__(self, num_rows: int, width: int, dtype: DTypeLike, folder: str | None = None):
        self._shape, self._dtype, self._rows = (num_rows, width), np.dtype(dtype), 0
        self._place = spool_folder() if folder is None else folder
        self.num_bytes: int = num_rows * width * self._dtype.itemsize
        try:
            free = shutil.disk_usage(self._place).free
            if free < self.num_bytes:
                raise self._too_small(f"has {readable(free)} of room")
            self._file: Any = tempfile.TemporaryFile(dir=self._place)  # noqa: SIM115 - `with` closes it
        except OSError as failure:
            raise self._not_written(failure) from failure
        try:
            self._reserve()
        except OSError as failure:
            self._file.close()
            raise self._not_written(failure) from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(OSError):  # of what is left to write nobody reads anything
            self._file.close()

    def add(self, rows: NDArray[Any]) -> None:
        """Write (n, width) features after those that are there. Raises: InputError if the disk does not take them."""
        try:
            self._file.write(np.ascontiguousarray(rows, self._dtype).data.cast("B") if rows.size else b"")
        except OSError as failure:
            raise self._not_written(failure) from failure
        self._rows += len(rows)

    def features(self) -> "np.memmap[Any, Any]":
        """All rows so far, (n, width), n > 0, mapped: changes to them are changes of the file."""
        try:
            self._file.flush()
        except OSError as failure:
            raise self._not_written(failure) from failure
        return np.memmap(self._file, self._dtype, "r+", shape=(self._rows, self._shape[1]))

    def _reserve(self):
        """Take the room now, so that the disk cannot be full after minutes of reading."""
        if not hasattr(os, "posix_fallocate") or not self.num_bytes:
            return
        try:
            os.posix_fallocate(self._file.fileno(), 0, self.num_bytes)
        except OSError as failure:
            if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            # The file system knows no reservations.

    def _too_small(self, found):
        rows, width = self._shape
        return InputError(
            f"--spool {self._place}: {found}, but {rows:,} rows of {width:,} numbers in {self._dtype} take "
            f"{readable(self.num_bytes)}; make room, name another folder, or allow more --memory."
        )

    def _not_written(self, failure):
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            return self._too_small("the disk is full")
        return InputError(
            f"--spool {self._place}: cannot be written ({failure.strerror}), expected a folder with "
            f"{readable(self.num_bytes)} of room; name another."
        )


def spool_folder() -> str:
    """The usual folder of temporary files; /var/tmp where that is kept in memory, as /tmp is on many systems."""
    usual = tempfile.gettempdir()
    is_better = os.access(_LARGE_FILES, os.W_OK) and _kind_of_disk(_LARGE_FILES) not in _IN_MEMORY
    return _LARGE_FILES if _kind_of_disk(usual) in _IN_MEMORY and is_better else usual


def swap_rows(array: NDArray[Any], ones: NDArray[np.int64], others: NDArray[np.int64]) -> None:
    """Swap row ones[i] of a writeable (N, D) array with row others[i], all of them different, some at a time."""
    step = max(1, _MOVED // max(1, array.shape[1]))
    for start in range(0, len(ones), step):
        one, other = ones[start : start + step], others[start : start + step]
        moved = array[one]
        array[one] = array[other]
        array[other] = moved


def _kind_of_disk(folder):
    """The file system that holds a folder, "" where the system does not say."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    path = os.path.realpath(folder)
    holders = [fields for fields in mounts if len(fields) > 2 and os.path.commonpath([fields[1], path]) == fields[1]]
    return max(holders, key=lambda fields: len(fields[1]), default=["", "", ""])[2]
