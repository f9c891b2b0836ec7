"""The part of the classes of a head that one process holds, as DTensor cuts a tensor's first dimension."""

from typing import TYPE_CHECKING, NamedTuple

from torch import distributed

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh


class ClassShard(NamedTuple):
    """Classes `first` to `last` - 1 of `num_classes`, maybe none, and the processes that hold all of them."""

    first: int
    last: int
    num_classes: int
    group: "ProcessGroup"

    @property
    def size(self) -> int:
        """How many classes this process holds."""
        return self.last - self.first


def class_shard(mesh: "DeviceMesh", num_classes: int, process: int | None = None) -> ClassShard:
    """What a process of the mesh holds, this one if none is named.

    Of R processes each holds ceil(K / R) classes, but for the last ones, which hold fewer or none.
    """
    size = -(-num_classes // mesh.size())
    first = min(num_classes, (mesh.get_local_rank() if process is None else process) * size)
    return ClassShard(first, min(num_classes, first + size), num_classes, mesh.get_group())


def check_mesh(mesh: object) -> None:
    """Raise TypeError or ValueError unless it is a mesh of one dimension that this process is in."""
    if not distributed.is_available():
        raise ValueError("mesh: this PyTorch is built without torch.distributed, expected one that has it.")
    # Imported here: it takes longer than torch itself, and whoever has a mesh has it.
    from torch.distributed.device_mesh import DeviceMesh

    if not isinstance(mesh, DeviceMesh):
        raise TypeError(
            f"mesh: received {type(mesh).__name__}, expected a torch.distributed.device_mesh.DeviceMesh; make one with "
            "init_device_mesh."
        )
    if mesh.ndim != 1:
        raise ValueError(
            f"mesh: has {mesh.ndim} dimensions, expected 1; pass the one that the classes are spread over, such as "
            'mesh["classes"].'
        )
    if mesh.get_coordinate() is None:
        raise ValueError("mesh: does not have this process in it, expected one that does.")
