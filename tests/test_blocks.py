import numpy as np
import pytest

from lastlayer import _blocks
from lastlayer._blocks import dense_blocks, without_read_only_flag


@pytest.fixture(autouse=True)
def _small_copies(monkeypatch):
    monkeypatch.setattr(_blocks, "_COPIED", 30)


def blocks(rows, start, stop, **options):
    return list(dense_blocks(rows, start, stop, "logits", **options))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_memory_is_one_block_as_it_stands(dtype):
    rows = np.arange(200, dtype=dtype).reshape(20, 10)
    ((part, block),) = blocks(rows, 3, 17)
    assert (part.start, part.stop) == (3, 17)
    assert np.shares_memory(block, rows)
    np.testing.assert_array_equal(block, rows[3:17])


@pytest.mark.parametrize("kind", ["float16", "int", "strided", "swapped", "fortran", "other"])
def test_anything_else_is_copied_a_few_rows_at_a_time(kind):
    rows = np.arange(200, dtype=np.float64).reshape(20, 10)
    given = {
        "float16": rows.astype(np.float16),
        "int": rows.astype(np.int64),
        "strided": np.repeat(rows, 2, axis=1)[:, ::2],
        "swapped": rows.astype(">f8"),
        "fortran": np.asfortranarray(rows),
        "other": rows,
    }[kind]
    found = blocks(given, 2, 19, dtype=np.float32 if kind == "other" else None)
    assert [(part.start, part.stop) for part, _ in found] == [(2, 5), (5, 8), (8, 11), (11, 14), (14, 17), (17, 19)]
    for part, block in found:
        assert block.flags.c_contiguous
        assert block.flags.writeable
        assert block.dtype == (np.float32 if kind in ("float16", "other") else np.float64)
        np.testing.assert_array_equal(block, rows[part])


def test_read_only_memory_is_seen_without_its_flag_and_not_copied():
    rows = np.arange(6.0).reshape(2, 3)
    rows.flags.writeable = False
    seen = without_read_only_flag(rows)
    assert seen.flags.writeable
    assert np.shares_memory(seen, rows)
    assert not rows.flags.writeable
