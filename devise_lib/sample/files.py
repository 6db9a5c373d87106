"""Writes the folder of the sample.

    wiki/     the dump and its index                   write_dump
    photos/   <label>/<label>-<number>.<extension>     write_photos, write_broken
    labels.tsv, hierarchy.txt, similarities.tsv        write_world_files
    broken.tsv                                         write_broken

Many tasks may write photos in ranges, because the bytes depend on the seed only.
"""

from collections.abc import Iterable
from pathlib import Path

from devise_lib.sample.broken import iter_broken
from devise_lib.sample.photos import iter_photos
from devise_lib.sample.things import THINGS
from devise_lib.sample.world import hierarchy_edges, similarities, token


def write_world_files(folder: Path | str, seed: int) -> None:
    """Writes labels.tsv, hierarchy.txt and similarities.tsv.

    The sample world is the same for every seed. The seed selects the pairs of similarities.tsv.
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
    """Writes photos `start` to `stop` of `total`; returns the number of bytes."""
    written = 0
    for path, content in iter_photos(start, stop, total, seed):
        written += _write_file(Path(folder) / path, content)
    return written


def write_broken(folder: Path | str, seed: int) -> None:
    """Writes the unusable files among the photos, and broken.tsv with the reason of each."""
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
