"""Assignment of GPUs to ranks."""

from collections.abc import Sequence

from devise_lib.errors import InputError


def choose_gpu(assigned: Sequence[str], gpus: int, local_rank: int, local_size: int) -> int | None:
    """Returns the index of a rank's GPU among those that the rank sees; None if it sees none.

    Each rank has a GPU of its own, because NCCL cannot serve two ranks on one, and because its
    memory would not be enough for two.

    Args:
        assigned: addresses that Spark gave to the rank's task (spark.task.resource.gpu.amount);
            empty if Spark assigns none.
        gpus: the number of GPUs that the rank's process sees.
        local_rank, local_size: the rank's number among those of this machine, and their number.

    Raises:
        InputError: the machine has fewer GPUs than ranks, or lacks the one that Spark assigned.
    """
    if not gpus:
        return None
    if assigned:
        place = 0 if gpus == 1 else int(assigned[0])  # a process may see its own GPU only
        if place >= gpus:
            raise InputError(
                f"Spark gave this rank GPU {assigned[0]}, but the machine has {gpus}: check "
                "spark.worker.resource.gpu.discoveryScript"
            )
        return place
    if local_size > gpus:
        raise InputError(
            f"{local_size} ranks on a machine with {gpus} GPU{'s' if gpus > 1 else ''}, and each "
            "needs one of its own: lower ranks, or hide the GPUs with CUDA_VISIBLE_DEVICES=''"
        )
    return local_rank
