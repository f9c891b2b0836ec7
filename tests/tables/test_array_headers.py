import io

import numpy as np
import pytest

from lastlayer.tables import InputError, array_headers
from lastlayer.tables.array_headers import read_column, read_header


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header_of(content):
    return read_header(io.BytesIO(content), len(content))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(3, 2),
        np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        np.arange(6, dtype=">i4"),
        np.zeros((0, 3)),
        np.array(["é", "", "zz"]),
        np.array(["é", "", "zz"], dtype=">U4"),
        np.array([True, False]),
    ],
)
def test_what_is_written_comes_back(array):
    content = saved(array)
    stream = io.BytesIO(content)
    header = read_header(stream, len(content))
    values = read_column(stream, header, "data.npy")
    assert (header.shape, header.dtype, header.num_bytes) == (array.shape, array.dtype, array.nbytes)
    assert values.to_list() == array.tolist() if array.dtype.kind == "U" else np.array_equal(values, array)
    if array.dtype.kind != "U":
        assert values.flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1, "a", None], dtype=object), "Python objects, which are never unpickled"),
        (np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]), "expected numbers, or text"),
        (np.zeros(3, dtype=[("ä", "i4")]), "expected numbers, or text|version 3.0"),
        (np.zeros(3, "datetime64[D]"), "expected numbers, or text"),
        (np.zeros(3, complex), "expected numbers, or text"),
        (np.zeros(3, "S4"), "expected numbers, or text"),
        (np.array([["a", "b"]]), "expected numbers, or text in one dimension"),
        (np.array(3.0), "an array of 0 dimensions"),
        (np.zeros((2, 2, 2)), "an array of 3 dimensions"),
        (np.zeros((3, 0)), "expected at least one entry in each row"),
    ],
)
def test_what_is_no_column(array, message):
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(header_of(saved(array)))


@pytest.mark.parametrize("shape", ["(4611686018427387904,)", "(4611686018427387904, 2)", "(2, 99999999999999999999)"])
def test_trap_39_a_shape_that_the_file_does_not_hold(shape):
    content = bytearray(saved(np.zeros(3)))
    content[10 : len(content) - 24] = (
        f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(len(content) - 35).encode() + b"\n"
    )
    assert "but 24 bytes are there, expected the same" in header_of(bytes(content))


@pytest.mark.parametrize(
    "literal",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 0), }",
        b"{'descr': '<f8', 'fortran_order': False}",
        b"{'descr': 3, 'fortran_order': False, 'shape': (3,), }",
        b"{'descr': ('<f8', (2,)), 'fortran_order': False, 'shape': (3,), }",
        b"{'descr': '|V0', 'fortran_order': False, 'shape': (3,), }",
        b"((((((((((((((((((((((",
        b"__import__('os').system('true')",
        b"\xff\xfe",
        b"",
    ],
)
def test_odd_headers(literal):
    literal = literal.ljust(118) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(literal).to_bytes(2, "little") + literal + bytes(24)
    found = header_of(content)
    assert isinstance(found, str)
    assert "\n" not in found


def test_text_that_is_none():
    content = saved(np.array(["ab"]))[:-4] + b"\xff\xff\xff\x7f"
    stream = io.BytesIO(content)
    header = read_header(stream, len(content))
    with pytest.raises(ValueError, match="utf-32"):
        read_column(stream, header, "data.npy")


def test_trap_39_an_array_that_memory_does_not_hold(monkeypatch):
    monkeypatch.setattr(array_headers, "available_memory", lambda: 1000)
    for array in (np.zeros(200), np.array(["a" * 100] * 10)):
        content = saved(array)
        stream = io.BytesIO(content)
        header = read_header(stream, len(content))
        with pytest.raises(InputError, match=r"data\.npy: needs .* of memory, but 1\.0 kB are left"):
            read_column(stream, header, "data.npy")
