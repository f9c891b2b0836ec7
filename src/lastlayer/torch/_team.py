"""PyTorch's own threads, lent to the kernels.

After each of its operations PyTorch keeps its OpenMP threads spinning for a while, in case another follows; meanwhile
threads of our own would get half a core. So on Linux, where its OpenMP is GNU's or answers to the same names, blocks of
rows are handed to the same threads, as many of them as torch.get_num_threads() says.
"""

import ctypes
from functools import partial
from itertools import repeat
from pathlib import Path

import torch

from lastlayer._signals import primed
from lastlayer._threads import Team

_Member = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_NO_FLAGS = 0


def threads_of_torch():
    """PyTorch's threads as a team, or None where it has no OpenMP that answers to GNU's names."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    # Looked up in that library and in what it is linked to: another OpenMP in the process has threads of its own.
    parallel = getattr(ctypes.CDLL(str(library)), "GOMP_parallel", None) if library.exists() else None
    if parallel is None:
        return None
    parallel.argtypes = [_Member, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None

    def run(function, threads):
        # On all of them, though fewer be asked for: a team that shrinks ends threads, which PyTorch would start anew.
        threads = max(threads, torch.get_num_threads())
        failures: list[BaseException] = []
        entrances = [primed(function, failures) for _ in range(threads)]
        # A call from C into Python cannot raise: what is raised on the way in would be printed, and lost. So there is
        # nothing but C before the entrances, of which each call takes the next.
        enter = partial(next, map(next, entrances, repeat(None)))
        try:
            parallel(_Member(enter), None, threads, _NO_FLAGS)
        finally:
            if failures:
                try:
                    raise failures[0]
                finally:
                    failures.clear()  # the traceback refers to this frame

    return Team(torch.get_num_threads, run)
