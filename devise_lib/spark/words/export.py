"""Exports WORD_VECTORS to files that gensim's KeyedVectors and other tools load."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from devise_lib.storage.folders import draft_of, move_file, replace_folder
from devise_lib.storage.stores import this_access
from devise_lib.text.vectors.export import save_word2vec, save_word2vec_text

FORMATS: dict[str, tuple[str, Callable[..., None]]] = {
    "binary": ("word_vectors.bin", save_word2vec),
    "text": ("word_vectors.vec", save_word2vec_text),
}


def export_vectors(vectors: DataFrame, formats: tuple[str, ...], folder: str) -> None:
    """Write the vectors in each format, the most frequent word first.

    One task streams them to its own disk or, in a local `folder`, to their place.

    Args:
        vectors: rows of WORD_VECTORS; at least one.
        formats: keys of FORMATS, which has the names of the files.
        folder: where the files are written, on a disk or a store that all machines see.
    """
    access = this_access()
    count = vectors.count()
    [size] = vectors.selectExpr("size(vector)").head() or [0]
    in_order = vectors.select("word", "count", "vector", "rank").coalesce(1)
    in_order = in_order.sortWithinPartitions("rank").drop("rank")
    for form in formats:
        name, save = FORMATS[form]

        def write(
            batches: Iterator[pa.RecordBatch],
            save: Callable[..., None] = save,
            form: str = form,
            name: str = name,
        ) -> Iterator[pa.RecordBatch]:
            access.open()
            target = f"{folder}/{form}"
            with draft_of(target) as draft:
                draft.mkdir()
                save(_rows(batches), count, size, str(draft / name))
                replace_folder(draft, target)
            yield pa.RecordBatch.from_pydict({"path": [target]})

        in_order.mapInArrow(write, "path string").collect()


def publish_exports(drafts: str, folder: str) -> None:
    """Move the files that `export_vectors` has written to `drafts` into `folder`.

    Older files without a successor are deleted, because they hold other vectors.
    """
    for form, (name, _) in FORMATS.items():
        for file in (f"{name}.vocab", name):
            move_file(f"{drafts}/{form}/{file}", f"{folder}/{file}")


def _rows(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[str, int | None, NDArray[np.float32]]]:
    for batch in batches:
        words, counts = batch.column(0).to_pylist(), batch.column(1).to_pylist()
        yield from zip(words, counts, batch.column(2).to_numpy(zero_copy_only=False), strict=True)
