import pytest

pytest.importorskip("ray")

from lastlayer.ray.places import cpus_for, room_for


@pytest.fixture
def machines(monkeypatch):
    """A function that makes a cluster of machines of so many CPUs."""

    def of(*counts):
        nodes = [{"Alive": True, "Resources": {"CPU": float(count)}} for count in counts]
        gone = [{"Alive": False, "Resources": {"CPU": 64.0}}, {"Alive": True, "Resources": {}}]
        monkeypatch.setattr("ray.nodes", lambda: nodes + gone)

    return of


@pytest.mark.parametrize(
    ("counts", "workers", "cpus"),
    [
        ((2,), None, 2),
        ((16, 16, 16), None, 16),
        # A small machine beside large ones is left without work, and not the large ones cut up.
        ((1, 32, 32, 32), None, 32),
        ((16, 8), None, 8),
        ((3, 3, 2), None, 1),
        ((2,), 1, 2),
        ((2,), 2, 1),
        ((16, 16), 3, 8),
        ((16, 16), 4, 8),
        ((16, 16), 5, 5),
        # More than there is room for, which is refused elsewhere.
        ((2,), 3, 1),
        ((), None, 1),
    ],
)
def test_workers_have_as_many_cpus_as_they_can(machines, counts, workers, cpus):
    machines(*counts)
    assert cpus_for(workers) == cpus
    if workers is None and counts:
        assert room_for(cpus) * cpus >= 0.9 * sum(counts)
