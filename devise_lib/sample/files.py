"""The folder of the sample: what lies where, and the functions that write it.

    wiki/     the dump and its index                   write_dump
    photos/   <label>/<label>-<number>.<extension>     write_photos, write_broken
    labels.tsv, hierarchy.txt, similarities.tsv        write_world_files
    broken.tsv                                         write_broken

Photos may be written in ranges by many tasks: the bytes depend on the seed alone.
"""

from collections.abc import Iterable
from pathlib import Path

from devise_lib.sample.broken import iter_broken
from devise_lib.sample.photos import iter_photos
from devise_lib.sample.things import THINGS
from devise_lib.sample.world import hierarchy_edges, similarities, token


def write_world_files(folder: Path | str, seed: int) -> None:
    """Write labels.tsv, hierarchy.txt and similarities.tsv.

    The world is the same for every seed; the seed draws which pairs similarities.tsv holds.
    """
    root = Path(folder)
    labels = (
        (
            thing.label,
            ",".join(thing.terms),
            "seen" if thing.seen else "unseen",
            ",".join(token(alias) for alias in thing.aliases),
        )
        for thing in THINGS
    )
    _write_lines(root / "labels.tsv", [("label", "terms", "split", "aliases"), *labels], "\t")
    _write_lines(root / "hierarchy.txt", hierarchy_edges(), " ")
    pairs = [(one, other, f"{score:.2f}") for one, other, score in similarities(seed)]
    _write_lines(root / "similarities.tsv", pairs, "\t")


def write_photos(folder: Path | str, start: int, stop: int, total: int, seed: int) -> int:
    """Write photos `start` to `stop` of `total`; returns how many bytes that were."""
    written = 0
    for path, content in iter_photos(start, stop, total, seed):
        written += _write_file(Path(folder) / path, content)
    return written


def write_broken(folder: Path | str, seed: int) -> None:
    """Write the broken files among the photos, and broken.tsv that says why each is broken."""
    lines = [("path", "reason")]
    for path, content, reason in iter_broken(seed):
        _write_file(Path(folder) / path, content)
        lines.append((path, reason))
    _write_lines(Path(folder) / "broken.tsv", lines, "\t")


def _write_file(path: Path, content: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(content)


def _write_lines(path: Path, rows: Iterable[tuple[str, ...]], separator: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(separator.join(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
