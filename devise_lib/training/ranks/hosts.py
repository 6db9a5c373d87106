"""Ranks on separate machines, started by ssh as `horovodrun` starts them, without Spark."""

import os
from collections.abc import Callable
from typing import TypeVar

from devise_lib.errors import InputError

R = TypeVar("R")

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}  # of a rank


def require_slots(hosts: str, ranks: int) -> None:
    """Checks that the hosts have slots for all ranks.

    Args:
        hosts: such as "gpu1:4,gpu2:4".
        ranks: the number to be started.

    Raises:
        InputError: the hosts have fewer slots.
    """
    slots = sum(int(host.rpartition(":")[2]) for host in hosts.split(","))
    if slots < ranks:
        raise InputError(
            f"ranks is {ranks}, but the hosts {hosts} have {slots} slots: lower ranks, or give more"
        )


def run_on_hosts(
    function: Callable[..., R], args: tuple[object, ...], ranks: int, hosts: str
) -> list[R]:
    """Calls a function on ranks that Horovod joins over Gloo; returns the results by rank.

    The hosts must have this Python and devise_lib at the same paths, and ssh without a prompt.
    """
    import horovod

    os.environ.update(ENVIRONMENT)  # local ranks inherit it, and ssh passes it on
    return list(horovod.run(function, args=args, num_proc=ranks, hosts=hosts, use_gloo=True))
