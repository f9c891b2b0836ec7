"""What holds for every test."""

import gc
import os
import signal

from hypothesis import settings

# Threads of PyTorch and of OpenBLAS would spin while they wait, on a core that another test needs; tests of fits took a
# fifth longer. Read when these are loaded, here and in processes that begin here. OpenBLAS takes it as a power of two.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "10")

# In the background of a shell without job control it is ignored, and tests of Ctrl-C would wait for it in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that is slow on a busy machine is right all the same.
settings.register_profile("lastlayer", deadline=None, max_examples=50)
settings.load_profile("lastlayer")

# Files that take long: they go first. Last, they would leave a core without work; the first of them wait for other
# processes more than they compute.
_LONG = (
    "tests/ray/",
    "tests/explorer/browser/",
    "tests/cli/test_process.py",
    "tests/torch/test_sharded",
    "tests/cli/",
    "tests/torch/",
    "tests/losses/",
    "tests/test_package.py",
)


def pytest_collection_modifyitems(items):
    """Put the files that take long first, and keep the order otherwise."""

    def turn(item):
        return next((k for k, start in enumerate(_LONG) if item.nodeid.startswith(start)), len(_LONG))

    items.sort(key=turn)


def pytest_collection_finish():
    """Keep modules and tests, which stay to the end, out of what the garbage collector goes through every time."""
    gc.freeze()
