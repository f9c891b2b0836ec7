"""What a failure that Ray reports comes of: a process or memory that is lost, or what a worker has raised."""

from ray.exceptions import (
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

# A process that has died, by itself, with its machine or by Ray's monitor of memory, or memory that went with it. Ray
# gives them no common base.
_LOSSES = (
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)


def comes_of_a_loss(failure: RayError) -> bool:
    """Whether a worker that died, or memory that went with it, is behind a failure of Ray's."""
    cause = getattr(failure, "cause", None)
    return any(isinstance(one, _LOSSES) for one in (failure, cause))


def own_failure(failure: RayError) -> BaseException:
    """What a worker has raised: its own exception where it is about the input or memory, else one with its trace."""
    cause: object = failure.cause if isinstance(failure, RayTaskError) else None
    return cause if isinstance(cause, ValueError | TypeError | MemoryError) else failure
