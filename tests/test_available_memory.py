import math
import sys

import numpy as np
import pytest

from lastlayer import _available_memory as module
from lastlayer._available_memory import available_memory, readable, taken_memory


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say")
def test_this_machine_has_some():
    assert 1e6 < available_memory() < 1e15


def test_the_least_of_machine_and_groups(tmp_path, monkeypatch):
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("900000\n")
    (group / "memory.stat").write_text("anon 5\nactive_file 200000\ninactive_file 300000\n")
    monkeypatch.setattr(module, "_GROUPS", ((str(group), "memory.max", "memory.current", module._GROUPS[0][3]),))
    assert available_memory() == 600_000
    (group / "memory.max").write_text("max\n")
    assert available_memory() > 600_000 or math.isinf(available_memory())


def test_bytes_in_words():
    assert [readable(number) for number in (12, 1500, 2.5e6, 3.21e12)] == ["12 bytes", "1.5 kB", "2.5 MB", "3,210.0 GB"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say")
def test_what_this_process_holds_itself():
    taken = taken_memory()
    assert 1e6 < taken < 1e12
    held = np.ones(8_000_000)  # beyond what the allocator takes from memory that was freed
    assert taken_memory() - taken > 0.5 * held.nbytes


def test_what_it_holds_is_0_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setattr(module, "_numbers", lambda path: {})
    assert taken_memory() == 0
