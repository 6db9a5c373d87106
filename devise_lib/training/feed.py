"""Batches from a table's Parquet files, by Petastorm; the only importer of it."""

import logging
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

warnings.filterwarnings("ignore", module="petastorm")  # it calls deprecated parts of pyarrow
logging.getLogger("petastorm").setLevel(logging.ERROR)

Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Feed:
    """What a rank reads.

    A table's row groups are dealt to readers, and the readers to the ranks. All readers together
    make a batch, each the same share of it, so the batches that the ranks have between them are
    the same however many ranks there are.

    Attributes:
        file_urls: the Parquet files of one table version, with a row group at least a reader.
        columns: the columns wanted.
        rank, size: whose share this is, of how many.
        readers: a multiple of `size`.
        batch_rows: rows of a batch of all ranks together, a multiple of `readers`.
        shuffle_rows: rows that all readers together hold back and mix before they give any.
        seed: of the order.
    """

    file_urls: Sequence[str]
    columns: Sequence[str]
    rank: int
    size: int
    readers: int
    batch_rows: int
    shuffle_rows: int
    seed: int

    def __post_init__(self) -> None:
        if self.readers % self.size or self.batch_rows % self.readers:
            raise ValueError(
                f"want readers, a multiple of {self.size} ranks, and batch_rows, a multiple of "
                f"them; got {self.readers} readers, {self.batch_rows} rows"
            )

    def epoch(self, number: int) -> Generator[Batch, None, None]:
        """This rank's share of an epoch's batches, without end; the caller decides on their number.

        Readers have unequal numbers of rows. If an epoch ended where a reader's rows end, ranks
        would take unequal numbers of steps, and the all-reduce of the longer one would hang.
        """
        with ExitStack() as stack:
            mine = range(self.rank, self.readers, self.size)
            streams = [stack.enter_context(closing(self._rows(n, number))) for n in mine]
            while True:
                parts = [next(stream) for stream in streams]
                yield {
                    name: np.concatenate([part[name] for part in parts]) for name in self.columns
                }

    def _rows(self, reader_number: int, epoch: int) -> Generator[Batch, None, None]:
        """One reader's share of every batch."""
        from petastorm import make_batch_reader  # costs seconds to import

        rng = np.random.default_rng([self.seed, reader_number, epoch])
        share = self.batch_rows // self.readers
        wanted = max(self.shuffle_rows // self.readers, share)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = make_batch_reader(
                list(self.file_urls),
                schema_fields=list(self.columns),
                cur_shard=reader_number,
                shard_count=self.readers,
                num_epochs=None,
                shuffle_row_groups=True,
                seed=int(rng.integers(2**31)),
                workers_count=1,  # more would change the order from run to run
            )
        with reader:
            held: list[Batch] = []
            rows = 0
            for group in reader:
                held.append({name: np.asarray(getattr(group, name)) for name in self.columns})
                rows += len(held[-1][self.columns[0]])
                if rows >= wanted:
                    held, rows, full = self._mix(held, share, rng)
                    yield from full

    def _mix(
        self, held: Sequence[Batch], share: int, rng: np.random.Generator
    ) -> tuple[list[Batch], int, list[Batch]]:
        """What stays behind, its rows, and full shares of what was held, in random order."""
        joined = {name: np.concatenate([part[name] for part in held]) for name in self.columns}
        rows = len(joined[self.columns[0]])
        order = rng.permutation(rows)
        cut = rows // share * share
        full = [
            {name: values[order[i : i + share]] for name, values in joined.items()}
            for i in range(0, cut, share)
        ]
        rest = {name: values[order[cut:]] for name, values in joined.items()}
        return [rest], rows - cut, full


def places_of(labels: Sequence[str]) -> Callable[[Iterable[str]], NDArray[np.int32]]:
    """A function of a batch's labels to the place of each among `labels`, (n,)."""
    place = {label: row for row, label in enumerate(labels)}
    return lambda batch: np.array([place[label] for label in batch], dtype=np.int32)


def to_photos(pixels: Iterable[bytes], image_size: int) -> NDArray[np.float32]:
    """The column `pixels` of PIXELS as (n, image_size, image_size, 3)."""
    flat = np.stack([np.frombuffer(photo, dtype=np.uint8) for photo in pixels])
    return flat.reshape(-1, image_size, image_size, 3).astype(np.float32)
