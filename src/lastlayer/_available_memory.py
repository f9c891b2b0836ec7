"""How much memory is left, so that data that cannot fit is refused before the system kills the process."""

import math
from pathlib import Path

# Where Linux says what a container may use and uses: the files of control groups of version 2, then of version 1.
_GROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", ("inactive_file", "active_file")),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
)


def available_memory() -> float:
    """Bytes that this process may still take, as far as the system says; infinite where it does not say."""
    return max(0.0, min(_of_the_machine(), *(_of_the_group(*group) for group in _GROUPS)))


def taken_memory() -> float:
    """Bytes that this process holds itself, without pages of files; 0 where the system does not say."""
    return 1024.0 * _numbers("/proc/self/status").get("RssAnon:", 0)


def readable(num_bytes: float) -> str:
    """Bytes as people read them: 1.5 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:,.1f} {unit}"
    return f"{num_bytes:.0f} bytes"


def _of_the_machine():
    kilobytes = _numbers("/proc/meminfo").get("MemAvailable:")
    return math.inf if kilobytes is None else kilobytes * 1024


def _of_the_group(folder, limit, usage, cached):
    """What is left of a control group's limit; pages that only cache files are given back when they are needed."""
    limit, usage = (_number(f"{folder}/{name}") for name in (limit, usage))
    if limit is None or usage is None:
        return math.inf
    statistics = _numbers(f"{folder}/memory.stat")
    return limit - usage + sum(statistics.get(name, 0) for name in cached)


def _number(path):
    try:
        text = Path(path).read_text().strip()
    except OSError:  # no Linux, or no such group
        return None
    return int(text) if text.isdigit() else None  # "max" is no limit


def _numbers(path):
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdigit()}
