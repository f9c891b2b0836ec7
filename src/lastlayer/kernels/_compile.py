"""The one way kernels are compiled: lazily, without the GIL, cached on disk where a cache can be written."""

import os
import stat
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.event import Listener, register

from lastlayer._stopwatch import compiled_for
from lastlayer.kernels._kernel_file import KernelFile
from lastlayer.kernels._turn import Turn


def compiled(function=None, *, fastmath: bool | set[str] = False, inline: bool = False) -> Any:
    """Compile `function` on its first call.

    The cache is where Numba would have it: in NUMBA_CACHE_DIR, else beside the source, else in the user's cache
    directory; or else, as in a container whose file system is read-only, in a temporary directory that is this user's
    alone. Where none of them can be written, the kernel is compiled anew in each process, a slower start and nothing
    else.

    Args:
      function: the function, where this is used as a plain decorator.
      fastmath: LLVM flags that this function's own operations may use, as a set, for example {"reassoc"}.
      inline: a device function, meant to be melted into its callers; it has no cache of its own.
    """
    if function is None:
        return lambda f: compiled(f, fastmath=fastmath, inline=inline)
    # Kernels allocate nothing, so nothing has to be counted: references cost more than the arithmetic of a short row.
    options: dict[str, Any] = {"nogil": True, "_nrt": False, "error_model": "numpy", "boundscheck": False}
    # C calls no kernel: an entry point for it would be compiled all the same.
    options["no_cfunc_wrapper"] = True
    if inline:
        options["forceinline"] = True
    kernel: Any = numba.njit(fastmath=fastmath, **options)(function)
    if not inline:
        try:
            kernel._cache = _KernelCache(function)
        except RuntimeError as failure:
            if "no locator available" not in str(failure):
                raise
    return kernel


class _TemporaryLocator(_CacheLocator):
    """A cache in the system's temporary directory, which others may write to: so in a directory that is ours alone."""

    def __init__(self, function, file):
        self._line = function.__code__.co_firstlineno
        self._directory = Path(tempfile.gettempdir(), f"lastlayer-{_user()}")
        self._path = self._directory / self.get_suitable_cache_subpath(file)

    @classmethod
    def from_function(cls, py_func, py_file):
        """The locator, or None where there can be no such directory."""
        try:
            locator = cls(py_func, py_file)
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator

    def ensure_cache_path(self):
        """Make the directory. Raises OSError where it cannot be written, or others could have put code there."""
        with suppress(FileExistsError):
            self._directory.mkdir(mode=0o700)
        if hasattr(os, "getuid") and not _is_ours_alone(self._directory):  # elsewhere every user has a directory
            raise PermissionError(f"{self._directory}: is open to others, expected a directory of this user's alone.")
        super().ensure_cache_path()

    def get_cache_path(self):
        """The directory of the kernel's file."""
        return str(self._path)

    def get_source_stamp(self):
        """Of every file that a kernel may be made of."""
        return _stamp_of_folder()

    def get_disambiguator(self):
        """What tells two kernels of one name in one file apart."""
        return str(self._line)


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = [*CompileResultCacheImpl._locator_classes, _TemporaryLocator]  # noqa: RUF012


class _KernelCache(FunctionCache):
    """Numba's cache of one kernel, which keeps compiled code for as long as every file of this folder stays as it was.

    Numba looks at the kernel's own file only, but a kernel is also made of the device functions melted into it.
    """

    _impl_class = _KernelCacheImpl

    def __init__(self, function):
        super().__init__(function)
        base = self._impl.filename_base
        self._cache_file = KernelFile(cache_path=self._cache_path, filename_base=base, source_stamp=_stamp_of_folder())

    def load_overload(self, sig, target_context):
        """What was compiled before; None where it is this process's turn to compile it."""
        found = super().load_overload(sig, target_context)
        if found is not None:
            return found
        began = time.perf_counter()
        waited = _turn.take(Path(self.cache_path, f"{self._impl.filename_base}.lock"))
        if not waited:
            return None
        compiled_for(time.perf_counter() - began)
        found = super().load_overload(sig, target_context)
        if found is not None:
            _turn.end()
        return found

    def save_overload(self, sig, data):
        """Keep what was compiled, where there is room for it; where not, the next process compiles it again."""
        try:
            with suppress(OSError):
                super().save_overload(sig, data)
        finally:
            _turn.end()


# Numba compiles one kernel at a time.
_turn = Turn()


def _is_ours_alone(directory):
    """Whether nobody else can write to `directory`, or put another in its place."""
    status, parent = directory.lstat(), directory.parent.stat()  # lstat: not where a link leads to
    replaceable = parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return ours and not replaceable


def _user():
    return os.getuid() if hasattr(os, "getuid") else "kernels"


@cache
def _stamp_of_folder():
    files = (path.stat() for path in sorted(Path(__file__).parent.glob("*.py")))
    return tuple((status.st_mtime, status.st_size) for status in files)


class _Clock(Listener):
    """Measures what Numba compiles: one kernel after the other, each with its device functions inside."""

    def __init__(self):
        self._depth, self._began = 0, 0.0

    def on_start(self, event):
        """A function begins to be compiled."""
        if self._depth == 0:
            self._began = time.perf_counter()
        self._depth += 1

    def on_end(self, event):
        """It is compiled, or has failed."""
        self._depth -= 1
        if self._depth == 0:
            compiled_for(time.perf_counter() - self._began)


register("numba:compile", _Clock())
