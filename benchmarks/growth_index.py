"""Measures how build_index scales to four times the vectors: memory and time of each step.

python benchmarks/growth_index.py FOLDER [--n N] [--memory GIB]

The vectors are those of bench_index, 128 numbers each. Both sizes have the same `max_memory_gib`
and the same number of lists. The peaks are those that tasks measure of themselves (VmHWM), so they
count mapped files. FOLDER keeps the vectors. Prints lines for RESULTS.md.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.bench_index import BUDGETS, copy_of_table  # noqa: E402 - found by the line above
from benchmarks.index_data import prepare  # noqa: E402
from benchmarks.index_watch import last_line  # noqa: E402

TIMES = (1, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--memory", type=float, default=1.0)
    args = parser.parse_args()
    made = [build(args.folder, args.n * times, args.memory) for times in TIMES]
    print(table([args.n * times for times in TIMES], made))


def build(folder: Path, n: int, memory: float) -> dict[str, Any]:
    """Builds the index of n vectors; returns what index_ours prints."""
    per_vector, recall = BUDGETS["ample"]
    program = [sys.executable, str(HERE / "index_ours.py"), "build"]
    with copy_of_table(prepare("clustered", n, folder), folder) as work:
        return last_line([*program, str(work), str(per_vector), str(recall), str(memory)])


def table(sizes: list[int], made: list[dict[str, Any]]) -> str:
    """Returns a line per step: tasks, seconds of all tasks and the largest peak, by size."""
    heads = [f"tasks | task s | peak MiB, {n / 1e6:g}M" for n in sizes]
    lines = [f"| step | {' | '.join(heads)} | peaks' ratio |"]
    lines.append("|---" * (2 + 3 * len(sizes)) + "|")
    for step in dict.fromkeys(step for each in made for step in each["costs"]):
        costs = [each["costs"].get(step) for each in made]
        cells = [
            f"{cost['tasks']} | {cost['seconds']:,.1f} | {cost['peak_bytes'] / 2**20:,.0f}"
            if cost
            else "- | - | -"
            for cost in costs
        ]
        first, last = costs[0], costs[-1]
        ratio = f"{last['peak_bytes'] / first['peak_bytes']:.2f}" if first and last else "-"
        lines.append(f"| {step} | {' | '.join(cells)} | {ratio} |")
    for n, each in zip(sizes, made, strict=True):
        seconds, point = each["ended"] - each["began"], each["point"]
        lines.append(
            f"{n:,}: {each['index_key']}, {seconds:,.0f} s, recall@10 {point['recall']:.3f} at "
            f"{each['parameters']}, {point['queries_per_s']:,.0f} queries/s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
