"""Workers as threads of one process, each of which sees an Exchange as a Spark task does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from devise_lib.text.vectors.exchange import Exchange

T = TypeVar("T")
KEY = b"a secret of thirty-two characters"


def run_workers(workers: int, work: Callable[[Exchange], T]) -> list[T]:
    """What `work` returns in each of `workers` threads, by rank."""
    gathered, all_there = [""] * workers, Barrier(workers)

    def start(rank: int) -> T:
        def gather(text: str) -> list[str]:
            gathered[rank] = text
            all_there.wait(timeout=30)
            return list(gathered)

        exchange = Exchange(rank, "localhost", gather, KEY)
        try:
            return work(exchange)
        finally:
            exchange.close()

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(start, range(workers)))
