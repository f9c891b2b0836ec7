import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lastlayer.kernels import _compile
from lastlayer.kernels._kernel_file import KernelFile

PROGRAM = """
import numpy
from lastlayer.kernels.sigmoid import sigmoid_entries
out = numpy.empty(3)
sigmoid_entries(numpy.zeros(3), out)
print(out.sum(), sum(sigmoid_entries.stats.cache_hits.values()), sum(sigmoid_entries.stats.cache_misses.values()))
"""
COMPILED, LOADED = (1.5, 0, 1), (1.5, 1, 0)


def start(cache, **environment):
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=variables, stdout=subprocess.PIPE, text=True)


def finish(process):
    output = process.communicate()[0].split()
    assert process.returncode == 0
    return float(output[0]), int(output[1]), int(output[2])


@pytest.fixture
def package(tmp_path):
    """A copy of the package, for whoever has its parent on the path."""
    source = Path(_compile.__file__).parents[1]
    return shutil.copytree(source, tmp_path / "site" / "lastlayer", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def read_only(package):
    """The environment of processes that can write nothing beside that copy, even if they are the superuser's."""
    (package / "kernels" / "__pycache__").touch()  # no directory can be made where a file stands
    return {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.skipif(sys.platform == "win32", reason="every process compiles")
def test_trap_29_two_processes_on_a_cold_cache_of_which_one_compiles(tmp_path):
    both = start(tmp_path), start(tmp_path)
    assert sorted(finish(process) for process in both) == [COMPILED, LOADED]
    assert finish(start(tmp_path)) == LOADED


@pytest.mark.thorough
def test_a_changed_device_function_is_compiled_into_the_kernels_anew(tmp_path, package):
    environment = {"PYTHONPATH": str(package.parent)}
    assert finish(start(tmp_path / "cache", **environment)) == COMPILED
    with open(package / "kernels" / "exponential.py", "a") as source:
        source.write("\n# changed\n")
    assert finish(start(tmp_path / "cache", **environment)) == COMPILED


@pytest.mark.thorough
def test_a_writable_package_keeps_its_kernels_beside_the_source(package):
    environment = {"PYTHONPATH": str(package.parent)}
    assert [finish(start("", **environment)) for _ in range(2)] == [COMPILED, LOADED]
    assert list((package / "kernels" / "__pycache__").glob("sigmoid*.nbi"))


def test_trap_29_a_read_only_package_keeps_its_kernels_in_the_users_cache(tmp_path, read_only):
    environment = {**read_only, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "cache")}
    assert [finish(start("", **environment)) for _ in range(2)] == [COMPILED, LOADED]


@pytest.fixture
def read_only_home(tmp_path, read_only):
    """The environment of processes that can write to a temporary directory and nowhere else, and that directory."""
    (tmp_path / "home").touch()
    (tmp_path / "temporary").mkdir()
    home = str(tmp_path / "home")
    names = {"XDG_CACHE_HOME": home, "HOME": home, "LOCALAPPDATA": home}
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path / "temporary"))
    return {**read_only, **names, **temporary}, tmp_path / "temporary"


@pytest.mark.thorough
def test_trap_29_a_read_only_home_keeps_its_kernels_in_a_private_temporary_directory(read_only_home):
    environment, temporary = read_only_home
    both = start("", **environment), start("", **environment)
    assert [finish(process)[0] for process in both] == [1.5, 1.5]
    assert finish(start("", **environment)) == LOADED
    (ours,) = temporary.glob("lastlayer-*")
    if os.name == "posix":
        assert stat.S_IMODE(ours.stat().st_mode) == 0o700


@pytest.fixture(params=["writable by others", "a link", "a file", "replaceable"])
def planted(request, tmp_path):
    """A temporary directory in which others can have put code for us."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ours = temporary / f"lastlayer-{os.getuid()}"
    if request.param == "writable by others":
        ours.mkdir()
        ours.chmod(0o777)
    elif request.param == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        ours.symlink_to(tmp_path / "elsewhere")
    elif request.param == "a file":
        ours.touch()
    else:
        ours.mkdir(mode=0o700)
        temporary.chmod(0o777)
    return temporary


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every user has a temporary directory")
def test_trap_29_no_kernel_comes_from_a_directory_that_others_can_write_to(tmp_path, planted, monkeypatch):
    monkeypatch.setattr(_compile.tempfile, "tempdir", str(planted))
    monkeypatch.setattr(_compile._KernelCacheImpl, "_locator_classes", [_compile._TemporaryLocator])
    kernel = _compile.compiled(lambda x: x + 1)
    assert not isinstance(kernel._cache, _compile._KernelCache)
    assert kernel(1) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != planted]
    # And where it is ours alone, one does.
    monkeypatch.setattr(_compile.tempfile, "tempdir", str(tmp_path))
    assert _compile.compiled(lambda x: x + 2)(1) == 3
    assert list((tmp_path / f"lastlayer-{os.getuid()}").rglob("*.nb[ic]"))


def test_trap_29_no_directory_for_a_cache(monkeypatch):
    monkeypatch.setattr(_compile._KernelCacheImpl, "_locator_classes", [])
    assert _compile.compiled(lambda x: x + 1)(1) == 2


def test_trap_29_a_full_disk(monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KernelFile, "save", full)
    kernel = _compile.compiled(lambda x: x + 1)
    assert isinstance(kernel._cache, _compile._KernelCache)
    assert kernel(1) == 2


def test_other_failures_are_not_hidden(monkeypatch):
    def failing(*arguments, **options):
        raise RuntimeError("something else")

    monkeypatch.setattr(_compile, "_KernelCache", failing)
    with pytest.raises(RuntimeError, match="something else"):
        _compile.compiled(lambda x: x + 1)


def test_read_only_and_writable_arrays_share_a_compiled_kernel():
    from lastlayer.functions import sigmoid
    from lastlayer.kernels.sigmoid import sigmoid_entries

    logits = np.zeros(4)
    sigmoid(logits)
    compiled = len(sigmoid_entries.signatures)
    logits.flags.writeable = False
    sigmoid(logits)
    assert len(sigmoid_entries.signatures) == compiled
