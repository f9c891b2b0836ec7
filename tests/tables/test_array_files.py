import io
import tracemalloc
import zipfile

import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, open_table


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return str(path)


def test_trap_39_only_arrays_that_are_wanted_are_unpacked(tmp_path):
    path = npz(tmp_path / "data.npz", X=np.ones((100, 2)), y=np.arange(100), big=np.zeros(1 << 24))
    assert (tmp_path / "data.npz").stat().st_size < 1 << 18
    tracemalloc.start()
    try:
        table = open_table([path])
        assert table.collect(["X", "y"]).shape == (100, 2)
        assert table.count("y > 49") == 50
        assert table.count() == 100
        assert table.place(7) == f"{path}: row 7 (the first is 0)"
        with pytest.raises(InputError, match="array big has 16777216 rows, but X has 100"):
            table.collect(["big"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 24


def test_columns_of_the_same_length_are_read_when_they_are_asked_for(tmp_path, monkeypatch):
    path = npz(tmp_path / "data.npz", a=np.arange(4), b=np.arange(4) * 1.5, c=np.array(list("wxyz")))
    table = open_table([path], where="a > 1")
    assert dict(table.schema) == {"a": pl.Int64, "b": pl.Float64, "c": pl.String}
    opened = []
    inner = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, entry, *a: opened.append(entry.filename) or inner(self, entry, *a)
    )
    assert table.collect(["c"])["c"].to_list() == ["y", "z"]
    assert sorted(opened) == ["a.npy", "c.npy"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_odd_members(tmp_path):
    path = tmp_path / "data.npz"
    column = io.BytesIO()
    np.save(column, np.arange(3))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", column.getvalue())
        archive.writestr("twice.npy", column.getvalue())
        archive.writestr("twice.npy", column.getvalue())
        archive.writestr("readme.txt", "hello")
        archive.writestr("folder/", "")
        archive.writestr("short.npy", column.getvalue()[:-1])
        archive.writestr("é.npy", column.getvalue())
    table = open_table([str(path)])
    assert list(table.schema) == ["x", "é"]
    for name, message in [
        ("twice", "array twice is there twice"),
        ("readme.txt", r"array readme\.txt is no array that NumPy can read"),
        ("short", r"array short is an array of shape \(3,\) .* 24 bytes, but 23 bytes are there"),
    ]:
        with pytest.raises(InputError, match=message):
            table.collect([name])


def test_checksums_are_compared(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"no whole \.npz file \(Bad CRC-32"):
        open_table([str(path)]).collect(["x"])


def test_no_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w"):
        pass
    with pytest.raises(InputError, match="it holds no arrays"):
        open_table([str(tmp_path / "data.npz")])


def test_an_array_on_standard_input_has_the_usual_name():
    for array, name in ((np.ones((3, 2)), "X"), (np.arange(3), "y")):
        stream = io.BytesIO()
        np.save(stream, array)
        stream.seek(0)
        table = open_table(["-"], stdin=stream)
        assert table.collect([name])[name].to_numpy().tolist() == array.tolist()
