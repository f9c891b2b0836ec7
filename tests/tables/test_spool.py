import errno
import gc
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.tables import InputError
from lastlayer.tables import spool as module
from lastlayer.tables.spool import Spool, spool_folder, swap_rows


def test_rows_come_back_in_order_and_can_be_changed(tmp_path):
    X = np.random.default_rng(0).standard_normal((7, 3))
    with Spool(10, 3, np.float32, str(tmp_path)) as spool:
        for rows in (X[:4], X[:0], np.asfortranarray(X[4:])):
            spool.add(rows)
        mapped = spool.features()
    assert isinstance(mapped, np.memmap)
    assert (mapped.dtype, spool.num_bytes) == (np.float32, 120)
    np.testing.assert_array_equal(mapped, X.astype(np.float32))
    mapped[0] = 9
    assert mapped[0].tolist() == [9, 9, 9]


def test_there_is_no_file_to_be_left_behind(tmp_path):
    with Spool(1000, 3, np.float16, str(tmp_path)) as spool:
        spool.add(np.ones((1000, 3)))
        mapped = spool.features()
        assert os.listdir(tmp_path) == []
    del spool, mapped
    gc.collect()
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_too_small_is_refused_with_both_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_500_000))
    with pytest.raises(InputError) as refused:
        Spool(1000, 1000, np.float16, str(tmp_path))
    assert str(refused.value) == (
        f"--spool {tmp_path}: has 1.5 MB of room, but 1,000 rows of 1,000 numbers in float16 take 2.0 MB; make room, "
        "name another folder, or allow more --memory."
    )


def test_a_disk_that_is_full_when_room_is_reserved(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(InputError, match="the disk is full, but 10 rows of 3 numbers in float32 take 120 bytes"):
        Spool(10, 3, np.float32, str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_reservations(tmp_path, monkeypatch):
    def unknown(*arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    with Spool(1, 3, np.float32, str(tmp_path)) as spool:
        spool.add(np.ones((1, 3)))
        assert spool.features().tolist() == [[1, 1, 1]]


class Full:
    """A file on a disk that fills up."""

    def write(self, *data):
        raise OSError(errno.ENOSPC, "No space left on device")

    flush = close = write


def test_a_disk_that_fills_up_while_rows_are_written(tmp_path):
    with Spool(2, 3, np.float32, str(tmp_path)) as spool:
        spool._file.close()
        spool._file = Full()
        with pytest.raises(InputError, match="the disk is full, but 2 rows"):
            spool.add(np.ones((1, 3)))
        with pytest.raises(InputError, match="the disk is full"):
            spool.features()


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"--spool .*missing: cannot be written \(No such file or directory\)"):
        Spool(1, 1, np.float32, str(tmp_path / "missing"))


@given(st.integers(2, 30), st.randoms(use_true_random=False), st.integers(1, 40))
def test_swapping_is_that_of_the_definition(num_rows, random, moved):
    rows = list(range(num_rows))
    random.shuffle(rows)
    half = random.randrange(num_rows // 2 + 1)
    ones, others = np.array(rows[:half], np.int64), np.array(rows[half : 2 * half], np.int64)
    array = np.arange(3 * num_rows).reshape(num_rows, 3)
    expected = array.copy().tolist()
    for one, other in zip(ones, others, strict=True):
        expected[one], expected[other] = expected[other], expected[one]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOVED", moved)
        swap_rows(array, ones, others)
    assert array.tolist() == expected


def test_a_spool_is_not_kept_in_memory_where_temporary_files_are(monkeypatch):
    kinds = {"/tmp": "tmpfs", "/var/tmp": "ext4"}
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(module, "_kind_of_disk", kinds.get)
    monkeypatch.setattr(os, "access", lambda folder, mode: True)
    assert spool_folder() == "/var/tmp"
    kinds["/tmp"] = "ext4"
    assert spool_folder() == "/tmp"
    kinds |= {"/tmp": "tmpfs", "/var/tmp": "tmpfs"}
    assert spool_folder() == "/tmp"


@pytest.mark.skipif(not os.path.exists("/proc/mounts"), reason="only Linux says what is mounted")
def test_the_kind_of_a_disk():
    assert module._kind_of_disk("/proc/self") == "proc"
    assert module._kind_of_disk("/") not in ("", "proc")
