"""Batches from a table's Parquet files, by Petastorm; the only importer of it."""

import logging
import warnings
from collections.abc import Iterator, Sequence
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

    Attributes:
        file_urls: the Parquet files of one table version; each has a row group at least.
        columns: the columns wanted.
        rank, size: this reader's share: row groups are dealt to `size` readers.
        batch_rows: rows of every batch.
        shuffle_rows: rows held back and mixed before a batch is cut from them.
        seed: of the order.
    """

    file_urls: Sequence[str]
    columns: Sequence[str]
    rank: int
    size: int
    batch_rows: int
    shuffle_rows: int
    seed: int

    def batches(self) -> Iterator[Batch]:
        """Batches without end; the caller decides how many make an epoch.

        Ranks hold unequal numbers of rows. If an epoch ended where a rank's rows end, ranks
        would take unequal numbers of steps, and the all-reduce of the longer one would hang.
        """
        from petastorm import make_batch_reader  # costs seconds to import

        rng = np.random.default_rng([self.seed, self.rank])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = make_batch_reader(
                list(self.file_urls),
                schema_fields=list(self.columns),
                cur_shard=self.rank,
                shard_count=self.size,
                num_epochs=None,
                shuffle_row_groups=True,
                seed=self.seed,
                workers_count=1,  # more would change the order from run to run
            )
        with reader:
            held: list[Batch] = []
            rows = 0
            for group in reader:
                held.append({name: np.asarray(getattr(group, name)) for name in self.columns})
                rows += len(held[-1][self.columns[0]])
                if rows < max(self.shuffle_rows, self.batch_rows):
                    continue
                held, rows, full = self._mix(held, rng)
                yield from full

    def _mix(
        self, held: Sequence[Batch], rng: np.random.Generator
    ) -> tuple[list[Batch], int, list[Batch]]:
        """What stays behind, its rows, and the full batches of what was held, in random order."""
        joined = {name: np.concatenate([part[name] for part in held]) for name in self.columns}
        rows = len(joined[self.columns[0]])
        order = rng.permutation(rows)
        count = rows // self.batch_rows
        cut = count * self.batch_rows
        full = [
            {name: values[order[i : i + self.batch_rows]] for name, values in joined.items()}
            for i in range(0, cut, self.batch_rows)
        ]
        rest = {name: values[order[cut:]] for name, values in joined.items()}
        return [rest], rows - cut, full
