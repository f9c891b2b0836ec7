import json
import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

import lastlayer
from lastlayer.storage import UnreadableHead, UnwritableFile, read_head, write_head

KNOWN = ("weight", "bias")
DTYPES = ["float32", "float64", "float16", "int32", "int64", "uint8", "bool"]


def assembled(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_our_header(tensors, **changes):
    ours = {"schema": 1, "library_version": "0.1.0", **changes}
    return {"__metadata__": {"lastlayer": json.dumps(ours)}, **tensors}


@pytest.fixture
def head(tmp_path):
    path = tmp_path / "head.safetensors"
    write_head(path, {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"beta": 1.5})
    return path


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != "$float"), inner),
    max_leaves=10,
)


@settings(max_examples=30)
@given(
    data=st.data(),
    dtypes=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name != "__metadata__"), st.sampled_from(DTYPES), max_size=4
    ),
    header=st.dictionaries(st.text(min_size=1).filter(lambda key: key != "$float"), json_values, max_size=4),
)
def test_round_trip(tmp_path_factory, data, dtypes, header):
    path = tmp_path_factory.mktemp("round") / "head.safetensors"
    finite = {"allow_nan": False, "allow_infinity": False}
    tensors = {
        name: data.draw(
            hnp.arrays(
                dtype,
                hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
                elements=finite if dtype.startswith("float") else None,
            )
        )
        for name, dtype in dtypes.items()
    }
    write_head(path, tensors, header)
    back, read = read_head(path, tensors)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert back[name].tobytes() == tensor.tobytes()
    assert read.pop("schema") == 3
    assert read.pop("library_version") == lastlayer.__version__
    assert repr(read) == repr({k: v for k, v in header.items() if k not in ("schema", "library_version")})


def test_it_is_a_plain_safetensors_file(head):
    np.testing.assert_array_equal(load_file(head)["weight"], [[0, 1, 2], [3, 4, 5]])


def test_strides_and_byte_order_do_not_matter(tmp_path):
    values = np.arange(12, dtype=">f8").reshape(3, 4)[::-1, ::2]
    write_head(tmp_path / "h", {"weight": values}, {})
    np.testing.assert_array_equal(read_head(tmp_path / "h", KNOWN)[0]["weight"], values)


def test_floats_that_json_lacks(tmp_path):
    write_head(tmp_path / "h", {}, {"gap": math.inf, "low": [-math.inf], "none": math.nan})
    assert b"Infinity}" not in (tmp_path / "h").read_bytes()
    header = read_head(tmp_path / "h", KNOWN)[1]
    assert (header["gap"], header["low"]) == (math.inf, [-math.inf])
    assert math.isnan(header["none"])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"X": np.ones(2)}, "of type ndarray"),
        ({1: 2}, "key 1 is of type int"),
        ({"a": {"$float": 1}}, "marks a float"),
    ],
)
def test_header_that_json_cannot_hold(tmp_path, header, message):
    with pytest.raises((TypeError, ValueError), match=message):
        write_head(tmp_path / "h", {}, header)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (np.array([1.0, math.nan]), r"tensor weight holds nan at \(1,\)"),
        (np.array([["a"]]), "dtype is <U1"),
        (np.array([None]), "dtype is object"),
        (np.array([1j]), "dtype is complex128"),
    ],
)
def test_tensor_of_another_kind(tmp_path, tensor, message):
    with pytest.raises((TypeError, ValueError), match=message):
        write_head(tmp_path / "h", {"weight": tensor}, {})


def refused(path):
    with pytest.raises(UnreadableHead) as caught:
        read_head(path, KNOWN)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_truncated_at_any_byte(head, tmp_path):
    whole = head.read_bytes()
    cut = tmp_path / "cut"
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        assert "empty" in refused(cut) if size == 0 else "cut short or damaged" in refused(cut)
    cut.write_bytes(whole + b"\0")
    refused(cut)


def test_any_bit_flipped_is_refused(head, tmp_path):
    whole = head.read_bytes()
    changed = tmp_path / "changed"
    for position in range(len(whole)):
        for bit in range(8):
            mutant = bytearray(whole)
            mutant[position] ^= 1 << bit
            changed.write_bytes(mutant)
            refused(changed)


def test_a_head_without_its_digest_is_refused(tmp_path):
    path = tmp_path / "head"
    path.write_bytes(assembled(with_our_header(tensor("F32", [1], 0, 4), schema=3), b"1234"))
    assert "differs from the digest" in refused(path)


def test_a_head_of_schema_1_has_no_digest(tmp_path):
    path = tmp_path / "head"
    path.write_bytes(assembled(with_our_header(tensor("F32", [1], 0, 4)), struct.pack("<f", 1.5)))
    assert read_head(path, KNOWN)[0]["weight"].tolist() == [1.5]


def test_trap_39_a_tensor_that_no_head_has_is_not_read(tmp_path):
    # A file of a few blocks on the disk, whose holes are 64 GB of zeros.
    path, size = tmp_path / "head", 1 << 36
    content = assembled(with_our_header({"padding": tensor("U8", [size], 0, size)["weight"]}))
    path.write_bytes(content)
    os.truncate(path, len(content) + size)
    assert "tensor padding is none that a head has" in refused(path)


def test_a_name_that_no_file_has():
    with pytest.raises(UnreadableHead, match="no name of a file"):
        read_head("a\0b", KNOWN)


def test_missing_file_and_folder(tmp_path):
    assert "no such file" in refused(tmp_path / "none.safetensors")
    assert "a folder" in refused(tmp_path)
    assert "not a regular file" in refused("/dev/null")


class Hostile:
    def __reduce__(self):
        return (os.abort, ())


def test_files_of_other_programs(tmp_path):
    path = tmp_path / "model"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Hostile(), protocol=protocol))
        assert "a pickle" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", "x")
    assert "a zip archive" in refused(path)
    save_file({"weight": np.ones(2, np.float32)}, path)
    assert "another program" in refused(path)
    save_file({"weight": np.ones(2, np.float32)}, path, metadata={"format": "pt"})
    assert "another program" in refused(path)
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    assert "a NumPy array" in refused(path)
    path.write_text("a,b\n1,2\n3,4\n")
    assert "not a safetensors file" in refused(path)


def tensor(dtype, shape, begin, end):
    return {"weight": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}}


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{" + bytes(100),
        struct.pack("<Q", 2**40) + b"{" + bytes(100),
        assembled(with_our_header(tensor("F32", [2**40, 2**40], 0, 4)), b"1234"),
        assembled(with_our_header(tensor("F32", [2**40], 0, 2**42)), b"1234"),
        assembled(with_our_header(tensor("F32", [2**61], 0, 2**63)), b"1234"),
        assembled(with_our_header(tensor("F32", [-1], 0, 4)), b"1234"),
        assembled(with_our_header(tensor("F32", [1], 4, 0)), b"1234"),
        assembled(with_our_header(tensor("F32", [1], 2, 6)), b"123456"),
        assembled(with_our_header({**tensor("F32", [1], 0, 4), "bias": tensor("F32", [1], 0, 4)["weight"]}), b"1234"),
        assembled(with_our_header(tensor("Q9", [1], 0, 4)), b"1234"),
        assembled(with_our_header(tensor("F32", [1] * 70, 0, 4)), b"1234"),
        assembled(with_our_header(tensor("BF16", [2], 0, 4)), b"1234"),
        assembled(with_our_header(tensor("F8_E4M3", [4], 0, 4)), b"1234"),
        assembled(with_our_header(tensor("C64", [1], 0, 8)), b"12345678"),
        assembled(with_our_header(tensor("BOOL", [2], 0, 2)), b"\x01\x07"),
        assembled(with_our_header(tensor("F32", [1], 0, 4)), struct.pack("<f", math.nan)),
        assembled(b'{"__metadata__":'),
        assembled(b"{" * 100_000),
        assembled({"__metadata__": {"lastlayer": "["}}),
        assembled({"__metadata__": {"lastlayer": "[" * 100_000}}),
        assembled({"__metadata__": {"lastlayer": "[]"}}),
        assembled({"__metadata__": {"lastlayer": '{"schema": NaN, "library_version": "1"}'}}),
        assembled({"__metadata__": {"lastlayer": '{"schema": {"$float": [1]}, "library_version": "1"}'}}),
        assembled({"__metadata__": {"lastlayer": '{"schema": 1' + "0" * 5000 + "}"}}),
        assembled(with_our_header({}, schema=0)),
        assembled(with_our_header({}, schema=True)),
        assembled(with_our_header({}, schema="1")),
        assembled(with_our_header({}, library_version=None)),
    ],
)
def test_hostile_file(tmp_path, content):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    refused(path)


def test_newer_schema(tmp_path):
    path = tmp_path / "newer.safetensors"
    path.write_bytes(assembled(with_our_header({}, schema=4, library_version="7.0.0")))
    message = refused(path)
    assert "written by lastlayer 7.0.0 in schema 4" in message
    assert "upgrade lastlayer" in message


def test_a_full_disk_leaves_the_old_file(head):
    whole = head.read_bytes()
    script = (
        "import numpy, resource, signal, sys\n"
        "from lastlayer.storage import write_head\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_head(sys.argv[1], {'weight': numpy.zeros(100_000)}, {})\n"
        "except ValueError as failure: print(type(failure).__name__, failure)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, head], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"UnwritableFile {head}: cannot be written (File too large")
    assert head.read_bytes() == whole
    assert list(head.parent.iterdir()) == [head]


def test_sigkill_while_writing_leaves_the_old_file(head):
    whole = head.read_bytes()
    script = (
        "import numpy, os, sys\n"
        "from lastlayer.storage import head_file, write_head\n"
        "save = head_file.save_file\n"
        "def half(tensors, path, metadata):\n"
        "    save(tensors, path, metadata)\n"
        "    os.truncate(path, 5000)\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()\n"
        "head_file.save_file = half\n"
        "write_head(sys.argv[1], {'weight': numpy.zeros(100_000)}, {})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, head], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert head.read_bytes() == whole
    np.testing.assert_array_equal(read_head(head, KNOWN)[0]["weight"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_interruption_leaves_the_old_file(head, monkeypatch, failure):
    whole = head.read_bytes()

    def interrupted(tensors, path, metadata):
        path.write_bytes(b"half")
        raise failure

    monkeypatch.setattr("lastlayer.storage.head_file.save_file", interrupted)
    with pytest.raises(failure):
        write_head(head, {"weight": np.zeros(3)}, {})
    assert head.read_bytes() == whole
    assert list(head.parent.iterdir()) == [head]


def test_unwritable_places(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "none" / "head", tmp_path / "file" / "head", "/dev/null", "/proc/head"):
        with pytest.raises(UnwritableFile, match="cannot be written") as caught:
            write_head(place, {}, {})
        assert isinstance(caught.value, ValueError)
