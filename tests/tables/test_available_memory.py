import math
import sys

import pytest

from lastlayer.tables import available_memory as module
from lastlayer.tables.available_memory import available_memory, readable


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
