"""The files of one kernel in a cache: an index of what was compiled, and a file for each piece of code."""

import glob
import os
import pickle
import secrets
from contextlib import suppress

from numba.core.caching import IndexDataCacheFile

# What a file is read as that a loss of power has cut off or left empty.
_UNREADABLE = (EOFError, pickle.UnpicklingError)


class KernelFile(IndexDataCacheFile):
    """Numba's, where no file of code ever has the name of another, and the index names it when it is there.

    Numba numbers files of code, from 1 again when the sources have changed, and writes the index first. Where the code
    then could not be written, or was not yet, what stood under its name ran: code of older sources, or of another
    signature that another process had given the same number.
    """

    def save(self, key, data):
        """Keep the code `data` of the signature `key`; what older sources left of this kernel goes."""
        overloads = self._load_index()
        if not overloads:
            self._remove_code()
        name = overloads.get(key) or self._data_name(secrets.randbits(63))
        self._save_data(name, data)
        self._save_index({**overloads, key: name})

    def load(self, key):
        """The code of the signature `key`; None where there is none that can be read."""
        try:
            return super().load(key)
        except _UNREADABLE:
            return None

    def _load_index(self):
        try:
            return super()._load_index()
        except _UNREADABLE:
            return {}

    def _remove_code(self):
        base = self._index_path.removesuffix(".nbi")
        for path in glob.glob(f"{glob.escape(base)}.*.nbc*"):
            # No index names what cannot be removed, and a process that misses its file compiles again.
            with suppress(OSError):
                os.remove(path)
