"""Whether the features of a fit stay in memory or are spooled to a disk, and what is left to the solver."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer._available_memory import readable, taken_memory
from lastlayer.tables.bytes_in_memory import bytes_in_memory, feature_types
from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.spool import Spool
from lastlayer.tables.table import Table

# Bytes a row that reading and holding out take beside features, and those that a fit does: labels, weights, losses and
# the order of the rows, each 8.
_WHILE_READING, _WHILE_FITTING = 120, 64


@dataclass(frozen=True)
class Storage:
    """What the command may use.

    Attributes:
      memory: bytes, with those that it has taken.
      dtype: what a spool keeps features in, "float32", "float16" or "float64".
      folder: where a spool is; None for the usual one.
      quiet: whether nothing is said of spools.
    """

    memory: float
    dtype: str = "float32"
    folder: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class SpoolChoice:
    """Rows that are spooled.

    Attributes:
      num_rows: how many, at most.
      width: features of a row.
      needed: bytes that they would take in memory.
      storage: Storage.
    """

    num_rows: int
    width: int
    needed: int
    storage: Storage

    @property
    def dtype(self) -> np.dtype[Any]:
        """What features are kept in."""
        return np.dtype(self.storage.dtype)

    def spool(self) -> Spool:
        """Room on the disk for these rows. Raises: InputError if there is none."""
        return Spool(self.num_rows, self.width, self.dtype, self.storage.folder)

    def in_words(self, num_bytes: int, what: str = "features") -> str:
        """A line for standard error."""
        return (
            f"spooling {readable(num_bytes)} of {what} as {self.dtype}: in memory they would take up to "
            f"{readable(self.needed)}, more than --memory allows"
        )


def choose_spool(table: Table, columns: FeatureColumns, storage: Storage, *, splits: bool) -> SpoolChoice | None:
    """The SpoolChoice of a table, or None if its features fit into memory.

    How many rows a file has stands in parquet, and takes a pass over text. Those that satisfy a condition are counted
    only where all of them would not fit.

    Args:
      table: Table.
      columns: its features.
      storage: Storage.
      splits: whether rows of it are held out.
    """
    room = storage.memory - taken_memory()

    def needed(num_rows, dtypes, width):
        return bytes_in_memory(num_rows, dtypes, width, splits=splits) + _WHILE_READING * num_rows

    # The longest lists are not known yet: the first row's are taken for all.
    dtypes, width = feature_types(table, columns)
    num_rows = sum(table.row_counts())
    if not (width and num_rows) or needed(num_rows, dtypes, width) <= room:
        return None
    if table.where is not None:
        num_rows = table.count()
    total = needed(num_rows, dtypes, width)
    return None if total <= room else SpoolChoice(num_rows, width, total, storage)


def left_to_the_solver(memory: float, num_rows: int) -> float:
    """Bytes that the fit may keep beside features and what it cannot do without, for so many rows."""
    return max(0.0, memory - taken_memory() - _WHILE_FITTING * num_rows)
