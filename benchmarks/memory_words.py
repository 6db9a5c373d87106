"""Measures the peak memory of the word jobs when the dump grows fourfold.

python benchmarks/memory_words.py

Each job runs as a separate program on a quarter of the dump of conf/real.toml and on all of it.
Anonymous memory (RssAnon) is sampled of the driver's Python, its JVM and the largest Python worker.
Prints lines for RESULTS.md.
"""

import bz2
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.corpus import DATA, ROOT, job_command  # noqa: E402 - found by the line above

DUMP = DATA / "wiki" / "enwiki-text-multistream.xml.bz2"
JOBS = {
    "parse_wikipedia": (),
    "prepare_corpus": (),
    # The weights grow with the number of words, which is the same in both here.
    "train_word2vec": ("max_vocab=20000", "epochs=1", "min_analogies=0", "min_similarities=[]"),
}
ENGINES = ("one_machine", "distributed")
SECONDS = 0.1  # between two samples


def main() -> None:
    print("| job | dump | driver's Python | its JVM | largest worker |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="devise-memory-") as scratch:
        quarter = Path(scratch) / "quarter-multistream.xml.bz2"
        cut_dump(quarter, 4)
        for job, overrides in JOBS.items():
            for engine in ENGINES if job == "train_word2vec" else ("",):
                for name, dump in (("1/4", quarter), ("whole", DUMP)):
                    settings = [f"{job}.{override}" for override in overrides]
                    settings += [f"{job}.engine={engine}"] if engine else []
                    settings += [f"parse_wikipedia.dump={dump}", "parse_wikipedia.tasks=0"]
                    work_dir = Path(scratch) / name.replace("/", "_")
                    peaks = peak_memory(job_command(work_dir, job, job, *settings))
                    cells = (
                        f"{peaks[kind] / 2**20:,.0f} MB" for kind in ("driver", "jvm", "worker")
                    )
                    print(f"| {job} {engine} | {name} | {' | '.join(cells)} |", flush=True)


def cut_dump(path: Path, share: int) -> None:
    """Writes the first 1/share of the streams of the dump as a dump."""
    index = DUMP.with_name("enwiki-text-multistream-index.txt.bz2")
    with bz2.open(index) as lines:
        heads = sorted({int(line.partition(b":")[0]) for line in lines})
    stop = heads[len(heads) // share]
    with DUMP.open("rb") as whole, path.open("wb") as part:
        part.write(whole.read(stop))
        part.write(bz2.compress(b"</mediawiki>\n"))


def peak_memory(command: list[str]) -> dict[str, int]:
    """Returns the peak bytes of each kind of process that the command starts."""
    peaks: dict[str, int] = defaultdict(int)
    environment = {**os.environ, "DEVISE_DATA": str(DATA)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            for pid in descendants(driver.pid):
                kind, taken = look_at(pid, driver.pid)
                peaks[kind] = max(peaks[kind], taken)
            time.sleep(SECONDS)
    if driver.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {driver.returncode}")
    return peaks


def descendants(root: int) -> list[int]:
    """Returns a process and all its descendants."""
    parents: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        parents[int(fields[1])].append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += parents[pid]
    return found


def look_at(pid: int, driver: int) -> tuple[str, int]:
    """Returns the kind of a process, and its anonymous memory in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        program = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    except OSError:
        return "gone", 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    # By its command line: for a moment, a fork of the JVM has its memory and the name of a thread.
    kind = "driver" if pid == driver else "jvm" if program.endswith(b"java") else "worker"
    return kind, int(fields.get("RssAnon", "0 kB").split()[0]) * 1024


if __name__ == "__main__":
    main()
