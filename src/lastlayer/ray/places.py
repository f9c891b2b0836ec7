"""Room in a cluster: CPUs that are kept for workers, spread over its machines."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from lastlayer.tables import InputError

# Seconds that CPUs may take to become free, or a machine that is lost to be made up for.
_PATIENCE = 10.0
# Share of a cluster's CPUs that workers take at least, where there are no more workers than need be.
_USED = 0.9


class Places:
    """Room for workers of so many CPUs each."""

    def __init__(self, group: PlacementGroup, cpus: int):
        self._group, self._cpus = group, cpus

    def are_there(self) -> bool:
        """Whether every worker has room, for which it waits; False where a machine is lost and no other takes over."""
        return self._group.wait(_PATIENCE)

    def options(self, worker: int, *, shared: bool = False) -> dict[str, Any]:
        """What an actor is started with as worker number `worker`; if `shared`, on the CPUs of others."""
        if shared:
            return {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
        return {
            "num_cpus": self._cpus,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=worker),
        }


def room_for(cpus: int) -> int:
    """How many workers of so many CPUs the cluster has room for, if nothing else runs on it."""
    return sum(count // cpus for count in _cpus_of_machines())


def cpus_for(count: int | None) -> int:
    """The most CPUs that each of `count` workers can have; None is one worker a machine.

    Where machines differ, it is the most with which workers leave next to none of their CPUs without work.
    """
    machines = _cpus_of_machines()
    enough = _USED * sum(machines)
    for cpus in range(max(machines, default=0), 1, -1):
        room = room_for(cpus)
        if room >= count if count is not None else room * cpus >= enough:
            return cpus
    return 1


def _cpus_of_machines():
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


def require_room(count: int, cpus: int) -> None:
    """Raise InputError unless the cluster has room for `count` workers of `cpus` CPUs each."""
    room = room_for(cpus)
    if count > room:
        raise InputError(
            f"num_workers: received {count} of {_cpus(cpus)} each, but the Ray cluster has room for {room} "
            f"({_cpus(math.floor(ray.cluster_resources().get('CPU', 0)))} in all), expected at most that many; pass "
            "fewer, or add machines."
        )


@contextmanager
def kept_places(count: int, cpus: int) -> Iterator[Places]:
    """Within: room for `count` workers of `cpus` CPUs each, on as many machines as can be.

    Raises: InputError if the cluster has less, or others keep it busy.
    """
    require_room(count, cpus)
    group = placement_group([{"CPU": cpus}] * count, strategy="SPREAD")
    try:
        if not group.wait(_PATIENCE):
            free = math.floor(ray.available_resources().get("CPU", 0))
            raise InputError(
                f"num_workers: received {count} of {_cpus(cpus)} each, but only {free} of the Ray cluster are free, "
                "expected as many free CPUs; wait for what else runs there, or pass fewer."
            )
        yield Places(group, cpus)
    finally:
        remove_placement_group(group)


def _cpus(count):
    return f"{count} CPU" if count == 1 else f"{count} CPUs"
