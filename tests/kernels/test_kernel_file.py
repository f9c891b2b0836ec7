"""Kernels after their sources have changed, on disks that are full or have lost what was written."""

import numba
import pytest

from lastlayer.kernels import _compile
from lastlayer.kernels._kernel_file import KernelFile


def twice(x):
    return x + x


@pytest.fixture
def kernel_of(monkeypatch, tmp_path):
    """kernel_of(sources) -> a kernel as a process compiles or loads it that begins when the sources have that stamp."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def kernel_of(sources):
        monkeypatch.setattr(_compile, "_stamp_of_folder", lambda: sources)
        return _compile.compiled(twice)

    return kernel_of


def files_of(tmp_path):
    return sorted(tmp_path.rglob("*.nb*"))


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def test_every_signature_is_found_again(kernel_of, tmp_path):
    assert (kernel_of("old")(2), kernel_of("old")(0.5)) == (4, 1.0)
    again = kernel_of("old")
    assert (again(2), again(0.5), hits(again)) == (4, 1.0, 2)
    assert len(files_of(tmp_path)) == 3


def test_code_that_was_not_written_is_not_looked_for_in_older_files(kernel_of, monkeypatch):
    kernel_of("old")(2)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(KernelFile, "_save_data", full)
        assert kernel_of("new")(0.5) == 1.0
    found = kernel_of("new")
    assert (found(0.5), hits(found)) == (1.0, 0)
    again = kernel_of("new")
    assert (again(0.5), hits(again)) == (1.0, 1)


def test_code_of_older_sources_takes_no_place_of_newer_code(kernel_of, monkeypatch):
    write = KernelFile._save_data

    def late(self, name, data):
        """Write when a process of newer sources has just written all, and be killed before the index."""
        with monkeypatch.context() as newer:
            newer.setattr(KernelFile, "_save_data", write)
            kernel_of("new")(0.5)
        write(self, name, data)
        raise OSError

    with monkeypatch.context() as older:
        older.setattr(KernelFile, "_save_data", late)
        kernel_of("old")(2)
    found = kernel_of("new")
    assert (found(0.5), hits(found)) == (1.0, 1)


def test_the_index_names_code_when_it_is_there(kernel_of, monkeypatch):
    write, indexes = KernelFile._save_data, []

    def watched(self, name, data):
        indexes.append(self._load_index())
        write(self, name, data)

    monkeypatch.setattr(KernelFile, "_save_data", watched)
    kernel_of("new")(0.5)
    assert indexes == [{}]


def test_what_older_sources_left_goes(kernel_of, tmp_path):
    kernel_of("old")(2)
    kernel_of("old")(0.5)
    old = files_of(tmp_path)
    kernel_of("new")(0.5)
    index, code = sorted(files_of(tmp_path), key=lambda path: path.suffix, reverse=True)
    assert (index.suffix, code.suffix) == (".nbi", ".nbc")
    assert index in old
    assert code not in old


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_file_that_was_cut_off_is_written_anew(kernel_of, tmp_path, suffix, left):
    kernel_of("old")(2)
    (path,) = tmp_path.rglob(f"*.{suffix}")
    path.write_bytes(path.read_bytes()[:left])
    found = kernel_of("old")
    assert (found(2), hits(found)) == (4, 0)
    again = kernel_of("old")
    assert (again(2), hits(again)) == (4, 1)
