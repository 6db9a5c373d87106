"""Runs the benchmarks: ratios against a peer on the same work, in one run.

python benchmarks/run.py [NAME ...] [--repeat N]

Each module bench_*.py has `measure() -> list[Rate]`, which measures our rate and the peer's one
after the other. Medians of the repeats are printed, as lines for RESULTS.md.
"""

import argparse
import importlib.util
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.rate import Rate  # noqa: E402 - found by the line above


def main() -> None:
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    if strange := set(args.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(strange))}; there are {', '.join(names)}")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
    print("| what | ours | peer | ratio | quality |\n|---|---|---|---|---|")
    for name in args.names or names:
        runs = [load(name).measure() for _ in range(args.repeat)]
        for same in zip(*runs, strict=True):
            print(line(list(same)))


def load(name: str):  # type: ignore[no-untyped-def]  # a module with measure()
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(runs: list[Rate]) -> str:
    """Returns one row: medians of the rates, and the median of the ratios with their range."""
    ratios = sorted(run.ours / run.peer for run in runs)
    ours, peer = (statistics.median(v) for v in zip(*((r.ours, r.peer) for r in runs), strict=True))
    first = runs[0]
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
    return (
        f"| {first.what}, {first.unit} | {ours:,.0f} | {first.peer_name} {peer:,.0f} | {spread} "
        f"| {first.quality} |"
    )


if __name__ == "__main__":
    main()
