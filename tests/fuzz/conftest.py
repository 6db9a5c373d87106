"""Runs a property on drawn inputs: briefly in `make test`, for minutes in `make soak`.

A test asks for the fixture `fuzz` and calls it with a property and a strategy of Hypothesis:

    def test_any_bytes_are_a_photo_or_a_refusal(fuzz):
        fuzz(assert_photo_or_refusal, st.binary())

pytest runs such a test twice: `[briefly]` draws the same few inputs each time, and `[for_minutes]`,
which has the mark `soak`, draws new ones for DEVISE_FUZZ_SECONDS (default 300).
An input that failed once is kept as `@example(...)` above the property.
"""

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.budget import FUZZED

SOAK_SECONDS = float(os.environ.get("DEVISE_FUZZ_SECONDS", "300"))
BATCH = 500  # examples between two looks at the clock

Property = Callable[[Any], None]  # raises where it does not hold


@pytest.fixture(params=["briefly", pytest.param("for_minutes", marks=pytest.mark.soak)])
def fuzz(
    request: pytest.FixtureRequest, record_property: Callable[[str, Any], None]
) -> Callable[..., int]:
    """`fuzz(check, inputs, examples=100)` calls `check` with examples of `inputs`.

    The brief run stops after `examples` of them. Each run ends with the number of its examples
    in pytest's last lines, and returns it.
    """

    def run(check: Property, inputs: SearchStrategy[Any], examples: int = 100) -> int:
        if request.param == "briefly":
            count = try_examples(check, inputs, examples)
        else:
            count = try_for(SOAK_SECONDS, check, inputs)
        record_property(FUZZED, count)
        return count

    return run


def try_examples(
    check: Property, inputs: SearchStrategy[Any], examples: int, first: int | None = None
) -> int:
    """Try a number of examples.

    Args:
        check: the property.
        inputs: what to draw from.
        examples: how many, unless `inputs` has fewer.
        first: the seed of the random numbers. None: the examples are the same in each run.

    Returns:
        How often `check` was called.
    """
    calls = 0

    def counted(drawn: Any) -> None:
        nonlocal calls
        calls += 1
        check(drawn)

    # Hypothesis keeps what @example says as an attribute of the function.
    counted.__dict__.update(getattr(check, "__dict__", {}))
    test = given(inputs)(counted)
    test = settings(
        max_examples=examples,
        derandomize=first is None,
        database=None,  # a failure becomes an @example, which a database of one machine would hide
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )(test)
    test = test if first is None else seed(first)(test)
    test()
    return calls


def try_for(seconds: float, check: Property, inputs: SearchStrategy[Any]) -> int:
    """Try batches of new examples until the time is over; at least one batch.

    Returns:
        How often `check` was called.
    """
    end, calls = time.monotonic() + seconds, 0
    source = random.Random()  # seeded by the system
    while not calls or time.monotonic() < end:
        calls += try_examples(check, inputs, BATCH, first=source.getrandbits(64))
    return calls


@contextlib.contextmanager
def limits(cpu_seconds: float, mebibytes: float) -> Iterator[None]:
    """Raise AssertionError if the block takes more CPU time or more memory than that.

    An endless loop of Python code is interrupted. Memory is what the process has more at its
    peak than before the block. Linux alone has these figures.
    """

    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise TimeoutError(f"interrupted after {cpu_seconds} s of CPU")

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started = _memory("VmRSS"), time.process_time()
    handler = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
    # The code under test may have caught the interruption as it does any exception.
    took, more = time.process_time() - started, _memory("VmHWM") - before
    too_long = f"took {took:.1f} s of CPU, at most {cpu_seconds} s are allowed"
    assert not interrupted, too_long
    assert took <= cpu_seconds, too_long  # libraries in C are not interrupted
    assert more <= mebibytes, f"took {more:.0f} MiB, at most {mebibytes} MiB are allowed"


def _memory(name: str) -> float:
    """A figure of this process's memory by its name in /proc/self/status, in MiB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, f"/proc/self/status has no {name}"
    return int(found[1]) / 1024
