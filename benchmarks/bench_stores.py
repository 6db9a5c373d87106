"""Compares the ways to read a dump and a tar on an object store by ranges.

Ours reads through fsspec in the task's own process. Before, a JVM beside it copied pieces to a
scratch file. Two bare loops ask for the ranges that ours asks for: s3fs alone, and plain HTTP,
which shows what the server costs. All ways take turns. There are three servers: one that sends
files by the kernel, the same with a delay before each answer as on a network, and moto.
"""

import hashlib
import http.client
import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import s3fs

from benchmarks.corpus import DATA
from benchmarks.hadoop_peer import HadoopPeer, s3a_jars
from benchmarks.object_store import (
    KEY,
    MOTO,
    SECRET,
    hadoop_settings,
    jpeg,
    make_bucket,
    server,
)
from benchmarks.rate import Rate
from devise_lib.spark.ingest.tar_source import HEADER_BYTES, RANGE_BYTES
from devise_lib.storage.files import LOCAL_FILES
from devise_lib.storage.ranges import SeekableFile
from devise_lib.storage.remote import PIECE_BYTES, RemoteFiles
from devise_lib.text.wikipedia import dump_plan
from devise_lib.vision.archives import tar_ranges
from devise_lib.vision.archives.tar_photos import read_range

DUMP = "enwiki-text-multistream.xml.bz2"
INDEX = "enwiki-text-multistream-index.txt.bz2"
BUCKET, READ_BYTES = "lake", 1 << 18
ROUNDS, FEWEST, WORK_S = 9, 3, 8.0  # of each work: rounds, and seconds that end them earlier
SIDES = ((320, 240), (400, 304), (448, 336))
DELAY_MS = "20"
# Each server with the photos of its tar: moto copies the whole file for each request.
SERVERS = {"files by the kernel": 1_000, f"{DELAY_MS} ms an answer": 100, "moto": 400}
Span = tuple[str, int, int]  # path, start, stop


def measure() -> list[Rate]:
    """Returns, for each server and each work, our rate beside that of every other way."""
    jars, rates = s3a_jars(), []
    with tempfile.TemporaryDirectory(prefix="devise-stores-") as folder:
        root = Path(folder)
        for name in (DUMP, INDEX):
            (root / name).symlink_to(DATA / "wiki" / name)
        for name, photos in SERVERS.items():
            write_tar(root / "photos.tar", photos)
            with server(*command_of(name, folder)) as url:
                if name == "moto":
                    upload(url, root)
                rates += compare(name, url, root, jars)
    return rates


def command_of(name: str, folder: str) -> tuple[str, ...]:
    if name == "moto":
        return MOTO
    delay = ("--delay-ms", DELAY_MS) if "ms" in name else ()
    return (sys.executable, "benchmarks/range_server.py", folder, *delay)


def write_tar(path: Path, photos: int) -> None:
    contents = [jpeg(i, *SIDES[i % len(SIDES)]) for i in range(30)]
    with tarfile.open(path, "w") as tar:
        for number, content in enumerate(islice(cycle(contents), photos)):
            member = tarfile.TarInfo(f"photos/{number % 10}/{number:06}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def upload(url: str, root: Path) -> None:
    client = make_bucket(url, BUCKET)
    for path in root.iterdir():
        client.put_object(
            Bucket=BUCKET, Key=path.name, Body=path.read_bytes(), ACL="public-read"
        )  # for the loop of plain HTTP, which signs nothing


@dataclass
class Work:
    """One thing to do with files, and the requests that ours makes for it.

    Attributes:
        what, unit: for the results.
        amount: in this unit.
        run: does the work, and returns the SHA-256 of what it gives, or nothing if not wanted.
        spans: of the requests.
    """

    what: str
    unit: str
    amount: float
    run: Callable[[Any, str, bool], str]
    spans: list[Span] = field(default_factory=list)


def compare(name: str, url: str, root: Path, jars: list[str]) -> list[Rate]:
    store, works = f"s3a://{BUCKET}", list(works_of(root))
    ours = RemoteFiles("s3a", BUCKET, hadoop_settings(url))
    for work in works:
        watched = Recorded(ours)
        work.run(watched, store, False)
        work.spans = watched.spans
    without = java_below()
    started = time.perf_counter()
    with closing(HadoopPeer(store, hadoop_settings(url), jars)) as peer:
        peer.status(f"{store}/{DUMP}")
        start_s = time.perf_counter() - started
        beside = (
            f"{without} JVMs below ours, {java_below()} below the peer, which starts in "
            f"{start_s:.1f} s and takes {java_mb():.0f} MB"
        )
        bare = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=url, skip_instance_cache=True)
        return [
            rate
            for work in works
            for rate in rates_of(work, name, beside, ours, peer, bare, url, root)
        ]


def rates_of(
    work: Work, name: str, beside: str, ours: Any, peer: Any, bare: Any, url: str, root: Path
) -> list[Rate]:
    store = f"s3a://{BUCKET}"
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: work.run(ours, store, False),
        "a JVM beside": lambda: work.run(peer, store, False),
        "bare s3fs": lambda: loop(work.spans, lambda path, a, b: bare.cat_file(path, None, a, b)),
        "plain HTTP": lambda: plain_http(url, work.spans),
        "the local disk": lambda: work.run(LOCAL_FILES, str(root), False),
    }
    places = ((ours, store), (peer, store), (LOCAL_FILES, str(root)))
    found = {work.run(files, folder, True) for files, folder in places}
    if len(found) != 1:
        raise RuntimeError(f"{work.what}: the ways differ")
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    started = time.perf_counter()
    for number in range(ROUNDS):
        if number >= FEWEST and time.perf_counter() - started > WORK_S:
            break
        order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        for way in order:
            cpu, began = cpu_s(), time.perf_counter()
            ways[way]()
            spent[way].append((time.perf_counter() - began, cpu_s() - cpu))
    wall, cpu_of = (
        {way: statistics.median(figures[i] for figures in of) for way, of in spent.items()}
        for i in (0, 1)
    )
    what = f"{work.what}, {name}"
    return [
        Rate(
            what,
            work.unit,
            work.amount / wall["ours"],
            work.amount / wall[way],
            way,
            f"same SHA-256; CPU s {cpu_of['ours']:.2f}, {way} {cpu_of[way]:.2f}"
            + (f"; {beside}" if way == "a JVM beside" else ""),
        )
        for way in ways
        if way != "ours"
    ]


def works_of(root: Path) -> Iterator[Work]:
    """Yields what tasks do with the dump and the tar. Each is given where both lie."""
    dump_ranges = dump_plan.plan_ranges(str(root / DUMP), str(root / INDEX), 0)
    with (root / "photos.tar").open("rb") as tar:
        parts = tar_ranges.plan_ranges(tar, RANGE_BYTES)
    size = (root / "photos.tar").stat().st_size
    with tarfile.open(root / "photos.tar") as members_of:
        members = len(members_of.getmembers())

    def plan_dump(files: Any, folder: str, _: bool) -> str:
        found = dump_plan.plan_ranges(f"{folder}/{DUMP}", f"{folder}/{INDEX}", 0, files)
        return digest(repr([(r.start, r.stop, r.pages) for r in found]).encode())

    def read_dump(files: Any, folder: str, wanted: bool) -> str:
        summed = hashlib.sha256()
        for part in dump_ranges:
            with files.open_range(f"{folder}/{DUMP}", part.start, part.stop) as opened:
                left = part.stop - part.start
                while left and (data := opened.read(min(READ_BYTES, left))):
                    left -= len(data)
                    if wanted:
                        summed.update(data)
        return summed.hexdigest()

    def plan_tar(files: Any, folder: str, _: bool) -> str:
        file = SeekableFile(files, f"{folder}/photos.tar", size)
        found = tar_ranges.plan_ranges(io.BufferedReader(file, HEADER_BYTES), RANGE_BYTES)
        return digest(repr(found).encode())

    def read_tar(files: Any, folder: str, wanted: bool) -> str:
        summed = hashlib.sha256()

        def open_part(start: int, stop: int) -> io.BufferedReader:
            return io.BufferedReader(files.open_range(f"{folder}/photos.tar", start, stop))

        for part in parts:
            with open_part(part.start, part.stop) as opened:
                for file in read_range(opened, part, open_part):
                    if wanted:
                        summed.update(file.name.encode() + file.content)
        return summed.hexdigest()

    megabytes = (root / DUMP).stat().st_size / 1e6
    yield Work(f"a dump of {megabytes:.0f} MB, planned by its index", "plans/min", 60, plan_dump)
    yield Work(f"its {len(dump_ranges)} ranges, raw", "MB/s", megabytes, read_dump)
    yield Work(f"a tar of {members:,} photos, planned", "headers/s", members, plan_tar)
    yield Work(f"its {len(parts)} ranges", "MB/s", size / 1e6, read_tar)


class Recorded:
    """Files that note what is asked of them, in the requests that RemoteFiles makes."""

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files
        self.spans: list[Span] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        key = path.removeprefix("s3a://")
        for at in range(start, stop, PIECE_BYTES):
            self.spans.append((key, at, min(at + PIECE_BYTES, stop)))
        return self._files.open_range(path, start, stop)


def loop(spans: list[Span], fetch: Callable[[str, int, int], bytes]) -> int:
    return sum(len(fetch(*span)) for span in spans)


def plain_http(url: str, spans: list[Span]) -> int:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"))) as connection:

        def fetch(key: str, start: int, stop: int) -> bytes:
            wanted = {"Range": f"bytes={start}-{stop - 1}"}
            connection.request("GET", f"/{quote(key)}", headers=wanted)
            with connection.getresponse() as answer:
                if answer.status != http.client.PARTIAL_CONTENT:
                    raise RuntimeError(f"{key}: the server answers {answer.status}")
                return answer.read()

        return loop(spans, fetch)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _javas() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each.name() == "java"]


def java_below() -> int:
    return len(_javas())


def java_mb() -> float:
    return sum(each.memory_info().rss for each in _javas()) / 2**20


def cpu_s() -> float:
    """Returns the CPU seconds of this process and of the JVMs below it."""
    own = os.times()
    others = (each.cpu_times() for each in _javas())
    return own.user + own.system + sum(times.user + times.system for times in others)
