"""Which GPU a rank takes."""

from collections.abc import Sequence

from devise_lib.errors import InputError


def choose_gpu(assigned: Sequence[str], gpus: int, local_rank: int, local_size: int) -> int | None:
    """The place of a rank's GPU among those that it sees; None where it sees none.

    One GPU a rank: NCCL cannot serve two ranks on one, and their memory would not do.

    Args:
        assigned: addresses that Spark gave the rank's task (spark.task.resource.gpu.amount);
            empty where Spark gives none.
        gpus: that the rank's process sees.
        local_rank, local_size: its place among the ranks of this machine, and their number.

    Raises:
        InputError: the machine has fewer GPUs than ranks, or not the one that Spark gave.
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
            "wants one of its own: lower ranks, or hide the GPUs with CUDA_VISIBLE_DEVICES=''"
        )
    return local_rank
