"""What a failure that Ray reports comes of: a process or memory that is lost, or what a worker has raised."""

from ray.exceptions import ObjectLostError, RayActorError, RayError, RayTaskError


def comes_of_a_loss(failure: RayError) -> bool:
    """Whether a worker that died, or memory that went with it, is behind a failure of Ray's."""
    cause = getattr(failure, "cause", None)
    return any(isinstance(one, RayActorError | ObjectLostError) for one in (failure, cause))


def own_failure(failure: RayTaskError) -> BaseException:
    """What a worker has raised: its own exception where it is about the input or memory, else one with its trace."""
    cause: object = failure.cause
    return cause if isinstance(cause, ValueError | TypeError | MemoryError) else failure
