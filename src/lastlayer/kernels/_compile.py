"""The one way kernels are compiled: lazily, without the GIL, cached on disk where a cache can be written."""

import numba


def compiled(function=None, *, fastmath: bool | set[str] = False, inline=False):
    """Compile `function` on its first call.

    Numba refuses to decorate when neither the package nor the user's cache directory is writable; then the kernel
    is compiled anew in each process, a slower start and nothing else.

    Args:
      fastmath: LLVM flags that this function's own operations may use, as a set, for example {"reassoc"}.
      inline: a device function, meant to be melted into its callers; it has no cache of its own.
    """
    if function is None:
        return lambda f: compiled(f, fastmath=fastmath, inline=inline)
    options = {"nogil": True, "fastmath": fastmath, "error_model": "numpy", "boundscheck": False}
    if inline:
        return numba.njit(**options)(function)
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as failure:
        if "cache" not in str(failure):
            raise
        return numba.njit(**options)(function)
