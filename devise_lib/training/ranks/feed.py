"""Batches from a table's Parquet files, read by Petastorm. No other module imports Petastorm."""

import logging
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.paths import is_remote
from devise_lib.storage.stores import store_files
from devise_lib.training.ranks.legacy_filesystem import StoreFileSystem

warnings.filterwarnings("ignore", module="petastorm")  # it calls deprecated parts of pyarrow
logging.getLogger("petastorm").setLevel(logging.ERROR)

Batch = dict[str, NDArray[Any]]
Epochs = Callable[[int], Generator[tuple[Any, Any], None, None]]
LINKED = re.compile(r"file:(?://(?=/))?(?P<folder>/.*[?#][^/]*)(?P<below>/.*)")


@dataclass(frozen=True)
class Cache:
    """A cache of decoded row groups on local disk, for later epochs.

    Attributes:
        folder: of the cache; its creator removes it.
        limit_bytes: row groups that do not fit any more are read from the files each time.
    """

    folder: str
    limit_bytes: int

    def options(self) -> dict[str, Any]:
        """Returns the options for Petastorm's reader."""
        return {
            "convert_early_to_numpy": True,
            "cache_type": "local-disk",
            "cache_location": self.folder,
            "cache_size_limit": self.limit_bytes,
            "cache_row_size_estimate": 1,  # matters for eviction only
            "cache_extra_settings": {"cleanup": False, "shards": 1, "eviction_policy": "none"},
        }


@dataclass(frozen=True)
class Feed:
    """The data that a rank reads.

    The row groups of a table are divided among readers, and the readers among ranks. All readers
    contribute the same share of each batch. The batches of all ranks together are therefore the
    same for any number of ranks.

    Attributes:
        file_urls: the Parquet files of one table version, with at least one row group per reader.
        columns: the columns to read.
        rank, size: this rank, and the number of ranks.
        readers: of all ranks together, a multiple of `size`.
        batch_rows: rows per batch of all ranks together, a multiple of `readers`.
        shuffle_rows: rows that all readers together hold back and shuffle before they yield any.
        seed: of the order.
        cache: for epochs after the first; None for none. It does not change the batches.

    Raises:
        ValueError: `readers` or `batch_rows` is not such a multiple.
    """

    file_urls: Sequence[str]
    columns: Sequence[str]
    rank: int
    size: int
    readers: int
    batch_rows: int
    shuffle_rows: int
    seed: int
    cache: Cache | None = None

    def __post_init__(self) -> None:
        if self.readers % self.size or self.batch_rows % self.readers:
            raise ValueError(
                f"want readers, a multiple of {self.size} ranks, and batch_rows, a multiple of "
                f"readers; got {self.readers} readers, {self.batch_rows} rows"
            )

    def epoch(self, number: int) -> Generator[Batch, None, None]:
        """Yields this rank's share of an epoch's batches, without end; the caller limits their
        number.

        Readers have unequal numbers of rows. If an epoch ended with a reader's rows, ranks would
        take unequal numbers of steps, and the all-reduce of the longer one would hang.
        """
        with ExitStack() as stack:
            mine = range(self.rank, self.readers, self.size)
            streams = [stack.enter_context(closing(self._rows(n, number))) for n in mine]
            while True:
                parts = [part for stream in streams for part in next(stream)]
                yield {
                    name: np.concatenate([part[name] for part in parts]) for name in self.columns
                }

    def labelled(
        self, labels: Sequence[str], prepare: Callable[[int], Callable[[NDArray[Any]], Any]]
    ) -> Epochs:
        """Returns a function from an epoch's number to batches of a network's inputs and targets.

        Args:
            labels: the targets are each row's index among them, (n,).
            prepare: maps an epoch's number to a function from the values of the first column to
                inputs.
        """
        place = {label: row for row, label in enumerate(labels)}

        def epoch(number: int) -> Generator[tuple[Any, Any], None, None]:
            inputs_of = prepare(number)
            for batch in self.epoch(number):
                targets = np.array([place[label] for label in batch["label"]], dtype=np.int32)
                yield inputs_of(batch[self.columns[0]]), targets

        return epoch

    def _rows(self, reader_number: int, epoch: int) -> Generator[list[Batch], None, None]:
        """Yields one reader's share of every batch, in parts."""
        from petastorm import make_batch_reader  # takes seconds to import

        rng = np.random.default_rng([self.seed, reader_number, epoch])
        share = self.batch_rows // self.readers
        wanted = max(self.shuffle_rows // self.readers, share)
        folder = self.cache.folder if self.cache else None
        with _reachable(self.file_urls, folder) as urls:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = make_batch_reader(
                    urls,
                    schema_fields=list(self.columns),
                    cur_shard=reader_number,
                    shard_count=self.readers,
                    num_epochs=None,
                    shuffle_row_groups=True,
                    seed=int(rng.integers(2**31)),
                    workers_count=1,  # more would change the order from run to run
                    filesystem=_filesystem_of(urls[0]),
                    **(self.cache.options() if self.cache else {}),
                )
            with reader:
                held: list[_Group] = []
                for group in reader:
                    columns = {name: np.asarray(getattr(group, name)) for name in self.columns}
                    held.append(_Group(columns, rng.permutation(len(columns[self.columns[0]]))))
                    if sum(len(each.order) for each in held) >= wanted:
                        held = yield from _mix(held, share, rng)


def _filesystem_of(url: str) -> Any:
    """Returns what opens files of a store; None for local files, which Petastorm opens itself."""
    return StoreFileSystem(store_files().remote(url).filesystem) if is_remote(url) else None


@contextmanager
def _reachable(urls: Sequence[str], folder: str | None) -> Iterator[list[str]]:
    """Yields the URLs, with a link in place of each folder that Petastorm would not find.

    Petastorm takes what follows a `?` or a `#` for another part of a URL, and decodes no
    percent-codes. A link has the same name each time, because the cache identifies files by their
    names.

    Args:
        urls: of files, as Spark gives them, without percent-codes.
        folder: of the cache; None if there is none, so a temporary folder holds the links.
    """
    with ExitStack() as stack:
        plain = []
        for url in urls:
            if found := LINKED.fullmatch(url):
                folder = folder or stack.enter_context(TemporaryDirectory(prefix="links-"))
                link = Path(folder) / f"link-{sha256(found['folder'].encode()).hexdigest()[:16]}"
                link.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):  # another reader made it
                    link.symlink_to(found["folder"])
                url = f"file://{link}{found['below']}"
            plain.append(url)
        yield plain


@dataclass(frozen=True)
class _Group:
    """A row group, and the order of its rows that are still to be yielded."""

    columns: Batch
    order: NDArray[np.int64]

    def take(self, first: int, last: int) -> Batch:
        return {name: values[self.order[first:last]] for name, values in self.columns.items()}


def _mix(
    held: Sequence[_Group], share: int, rng: np.random.Generator
) -> Generator[list[Batch], None, list[_Group]]:
    """Yields full shares of the held rows, drawn at random; returns the groups with rows left."""
    drawn = rng.permutation(np.repeat(np.arange(len(held)), [len(each.order) for each in held]))
    given = np.zeros(len(held), dtype=np.int64)
    for start in range(0, len(drawn) // share * share, share):
        upto = given + np.bincount(drawn[start : start + share], minlength=len(held))
        ends = zip(held, given, upto, strict=True)
        yield [group.take(first, last) for group, first, last in ends if first < last]
        given = upto
    rest = [_Group(each.columns, each.order[n:]) for each, n in zip(held, given, strict=True)]
    return [group for group in rest if len(group.order)]


@contextmanager
def make_cache(limit_bytes: int, ranks: int) -> Iterator[Cache | None]:
    """Yields a cache below TMPDIR, or None for `limit_bytes` 0.

    All ranks together use at most half of the free disk.
    """
    if not limit_bytes:
        yield None
        return
    with TemporaryDirectory(prefix="row-groups-") as folder:
        free = disk_usage(folder).free // (2 * ranks)
        yield Cache(folder, min(limit_bytes, free))


def to_photos(pixels: Iterable[bytes], image_size: int) -> NDArray[np.float32]:
    """Converts the column `pixels` of PIXELS to an array (n, image_size, image_size, 3)."""
    flat = np.stack([np.frombuffer(photo, dtype=np.uint8) for photo in pixels])
    return flat.reshape(-1, image_size, image_size, 3).astype(np.float32)
