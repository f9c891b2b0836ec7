import os
import stat

import pytest

from lastlayer.storage import UnwritableFile, replacement, require_writable, write_head


@pytest.fixture
def umask():
    old = os.umask(0o027)
    yield
    os.umask(old)


@pytest.mark.usefixtures("umask")
def test_permissions_of_a_new_file_follow_the_umask(tmp_path):
    with replacement(tmp_path / "new") as beside:
        beside.write_text("x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.usefixtures("umask")
def test_permissions_of_a_head_follow_the_umask(tmp_path):
    write_head(tmp_path / "new", {}, {})
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_permissions_of_the_old_file_are_kept(tmp_path, mode):
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(mode)
    with replacement(path) as beside:
        beside.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_new_file_is_as_private_as_the_old_one_while_it_is_written(tmp_path, mode):
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(mode)
    with replacement(path) as beside:
        assert stat.S_IMODE(beside.stat().st_mode) == mode
        beside.write_text("new")


def test_a_symbolic_link_stays(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with replacement(tmp_path / "link") as beside:
        beside.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_the_longest_name_a_folder_takes(tmp_path):
    path = tmp_path / ("é" * 127)
    with replacement(path) as beside:
        beside.write_text("x")
    assert path.read_text() == "x"


def test_a_failing_block_leaves_nothing(tmp_path):
    (tmp_path / "old").write_text("old")

    def fail():
        with replacement(tmp_path / "old") as beside:
            beside.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("old", "old")]


def test_a_failing_disk_is_one_sentence(tmp_path):
    def fail():
        with replacement(tmp_path / "new"):
            raise OSError(28, "No space left on device")

    with pytest.raises(UnwritableFile, match=r"new: cannot be written \(No space left on device\)"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_require_writable_leaves_no_trace(tmp_path):
    require_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    for place in (tmp_path, tmp_path / "none" / "new", "/dev/null"):
        with pytest.raises(UnwritableFile):
            require_writable(place)
