"""The program in a bundle needs faiss and numpy alone, and finds what this package finds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from devise_lib.index.manifest import Manifest
from devise_lib.index.reader import SearchIndex
from devise_lib.index.readme import how_to_query
from devise_lib.index.settings import SearchSettings
from tests.index.built import Built, build_bundle, manifest_of, photos, segment_of
from tests.index.isolated import run_isolated

QUERIES = photos(6, 1_000)


def program_of_readme(folder: Path) -> str:
    """The indented lines of README.md."""
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    ") or not line)


def program_of_manifest(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return "\n".join(manifest["how_to_query"])


def run(program: str, built: Built, scratch: Path) -> list[str]:
    """The lines that the program prints with faiss and numpy, in the bundle moved and read-only."""
    scratch.mkdir()
    np.save(scratch / "queries.npy", QUERIES)
    moved = scratch / "moved"
    shutil.copytree(built.folder, moved)
    for path in (*moved.rglob("*"), moved):
        path.chmod(path.stat().st_mode & ~0o222)
    words = [str(scratch / "queries.npy")]
    done = run_isolated(program, scratch / "alone", moved, words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def found_by_the_package(built: Built) -> list[str]:
    index = SearchIndex.open(built.folder)
    found = index.search(QUERIES, built.manifest.k)
    return [
        " ".join(f"{name} {score:.4f}" for name, score in zip(names, scores, strict=True))
        for names, scores in zip(index.photo_ids(found.rows), found.scores, strict=True)
    ]


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("IVF8,SQ8", SearchSettings(3)),
        ("PCA16,IVF8_HNSW8,PQ4x4fsr,RFlat", SearchSettings(4, 32, 8)),
    ],
)
@pytest.mark.parametrize(
    ("sizes", "removed"), [((220,), ()), ((220,), (4, 100)), ((180, 2, 38), (0, 180, 181, 200))]
)
def test_the_lines_of_the_readme_find_what_the_package_finds(
    tmp_path, key, settings, sizes, removed
):
    built = build_bundle(
        tmp_path / "bundle", key, sizes, removed, settings=settings, parameters=str(settings)
    )
    lines = run(program_of_readme(built.folder), built, tmp_path / "scratch")
    assert lines == found_by_the_package(built)
    assert len(set(lines)) == len(QUERIES)


def test_the_manifest_carries_the_same_program(tmp_path):
    built = build_bundle(tmp_path / "bundle", sizes=(60, 20))
    one, two = program_of_readme(built.folder), program_of_manifest(built.folder)
    assert two.strip() in one
    assert run(two, built, tmp_path / "scratch") == found_by_the_package(built)


def test_fewer_photos_than_wanted_are_all_printed(tmp_path):
    built = build_bundle(tmp_path / "bundle", "IVF1,SQ8", (3, 1), (0,), k=3)
    lines = run(program_of_readme(built.folder), built, tmp_path / "scratch")
    assert lines == found_by_the_package(built)
    assert {name for line in lines for name in line.split()[::2]} == set(built.ids[1:])


def test_the_readme_says_what_the_bundle_is_and_how_good(tmp_path):
    built = build_bundle(tmp_path / "bundle", sizes=(60, 20), words={"snow": [1.0] + [0.0] * 15})
    text = (built.folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# 80 photos of model devise-v1\n")
    for part in (
        "`IVF8,Flat`, over unit vectors of 16 numbers",
        "98.0 % of the exact 5 nearest neighbours",
        "97.0 to 99.0 %, a 95 % confidence interval), measured on 20 of",
        "2 threads answer 1,000\nqueries per second, and one thread takes 0.50 ms",
        "faiss 1.11.0 or newer",
        "| words.txt, words.npy | 1 ",
        "| delta-*/ |",
        "| removed.npy |",
    ):
        assert part in text
    assert "\n\n\n" not in text


def test_a_bundle_of_one_segment_says_nothing_of_others(tmp_path):
    built = build_bundle(tmp_path / "bundle", sizes=(60,))
    text = (built.folder / "README.md").read_text(encoding="utf-8")
    for part in ("delta-", "removed.npy", "words.txt"):
        assert part not in text


@pytest.mark.parametrize("key", ["IVF8,Flat", "OPQ4_16,IVF8_HNSW8,PQ4x4fsr,Refine(SQ8)"])
@pytest.mark.parametrize("more", [{}, {"removed": 1, "n": 199}])
def test_every_program_is_python(key, more):
    manifest = manifest_of(index_key=key, settings=SearchSettings(2, 9, 3), **more)
    compile(how_to_query(manifest), "query.py", "exec")


def test_a_manifest_of_two_segments_has_the_longer_program():
    one: Manifest = manifest_of()
    two = manifest_of(segments=(segment_of("base", 0, 100), segment_of("delta-000001", 100, 100)))
    assert "segments" not in how_to_query(one)
    assert "segments" in how_to_query(two)
