"""Ranks on machines of their own, started as `horovodrun` starts them: by ssh, without Spark."""

import os
from collections.abc import Callable
from typing import TypeVar

from devise_lib.errors import InputError

R = TypeVar("R")

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}  # of a rank


def require_slots(hosts: str, ranks: int) -> None:
    """Refuse more ranks than there are slots for.

    Args:
        hosts: "gpu1:4,gpu2:4".
        ranks: how many are to be started.

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
    """Call the function on ranks that Horovod has joined over Gloo; the results by rank.

    The hosts have this Python and devise_lib at the same paths, and ssh to them asks nothing.
    """
    import horovod

    os.environ.update(ENVIRONMENT)  # which local ranks inherit, and ssh passes on
    return list(horovod.run(function, args=args, num_proc=ranks, hosts=hosts, use_gloo=True))
