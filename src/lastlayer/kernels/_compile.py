"""The one way kernels are compiled: lazily, without the GIL, cached on disk where a cache can be written."""

from functools import cache
from pathlib import Path
from typing import Any

import numba


def compiled(function=None, *, fastmath: bool | set[str] = False, inline=False) -> Any:
    """Compile `function` on its first call.

    Numba refuses to decorate when neither the package nor the user's cache directory is writable; then the kernel
    is compiled anew in each process, a slower start and nothing else.

    Args:
      function: the function, where this is used as a plain decorator.
      fastmath: LLVM flags that this function's own operations may use, as a set, for example {"reassoc"}.
      inline: a device function, meant to be melted into its callers; it has no cache of its own.
    """
    if function is None:
        return lambda f: compiled(f, fastmath=fastmath, inline=inline)
    options = {"nogil": True, "fastmath": fastmath, "error_model": "numpy", "boundscheck": False}
    if inline:
        return numba.njit(**options)(function)
    try:
        kernel: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError as failure:
        if "cache" not in str(failure):
            raise
        return numba.njit(**options)(function)
    # Numba keeps compiled code for as long as the kernel's own file stays as it was; but a kernel is also made of the
    # device functions that are melted into it, so every file of this folder counts.
    kernel._cache._cache_file._source_stamp = _stamp_of_folder()
    return kernel


@cache
def _stamp_of_folder():
    files = (path.stat() for path in sorted(Path(__file__).parent.glob("*.py")))
    return tuple((status.st_mtime, status.st_size) for status in files)
