import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.storage import decode_classes, encode_classes

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda name: name.rstrip("\0"))


@given(st.lists(names, max_size=20))
def test_names_round_trip(labels):
    classes = np.array(labels, dtype=str)
    tensors = encode_classes(classes)
    assert tensors["classes.utf8"].tobytes().decode() == "".join(labels)
    sizes = [len(name.encode()) for name in labels]
    assert tensors["classes.offsets"].tolist() == [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    back = decode_classes(tensors)
    assert back.dtype.kind == "U"
    assert back.tolist() == labels


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "uint64", "float32", "float64", "bool"])
def test_numbers_keep_their_dtype(dtype):
    classes = np.array([0, 1, 1], dtype=dtype)
    back = decode_classes(encode_classes(classes))
    assert back.dtype == classes.dtype
    np.testing.assert_array_equal(back, classes)


def test_object_array_of_names():
    back = decode_classes(encode_classes(np.array(["cat", "cow"], dtype=object)))
    assert back.dtype == np.dtype("<U3")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.array(["cat", 1], dtype=object), "class 1 is 1 of type int"),
        (np.array([b"cat"]), r"dtype is \|S3"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "dtype is datetime64"),
        (np.array([["cat"]]), r"shape is \(1, 1\)"),
        (np.array(["cat", "\ud800"]), "class 1 is .* UTF-8"),
    ],
)
def test_labels_that_cannot_be_stored(classes, message):
    with pytest.raises((TypeError, ValueError), match=message):
        encode_classes(classes)


@pytest.mark.parametrize(
    ("data", "offsets", "message"),
    [
        (b"cat", [0, 4], "rise from 0 to 3"),
        (b"cat", [1, 3], "rise from 0 to 3"),
        (b"cat", [0, 2, 1, 3], "rise from 0 to 3"),
        ("é".encode(), [0, 1, 2], "expected names in UTF-8"),
        (b"\xff\xfe", [0, 2], "UTF-8"),
        (b"", [], "expected"),
    ],
)
def test_tensors_that_do_not_belong_together(data, offsets, message):
    tensors = {"classes.utf8": np.frombuffer(data, np.uint8), "classes.offsets": np.array(offsets, np.int64)}
    with pytest.raises(ValueError, match=message):
        decode_classes(tensors)


def test_missing_tensors():
    with pytest.raises(ValueError, match=r"tensor classes\.utf8: missing"):
        decode_classes({})


def test_trap_39_one_long_name_does_not_make_room_for_all():
    # One name of 2**24 characters beside 2**16 empty ones: 2**42 bytes in an array of str.
    offsets = np.full(2**16 + 2, 2**24, np.int64)
    offsets[0] = 0
    names = decode_classes({"classes.utf8": np.full(2**24, ord("a"), np.uint8), "classes.offsets": offsets})
    assert names.dtype == object
    assert names[0] == "a" * 2**24
    assert set(names[1:]) == {""}


def test_a_name_that_ends_in_nul_keeps_it():
    names = ["a", "a\0", "\0"]
    assert decode_classes(encode_classes(np.array(names, dtype=object))).tolist() == names
