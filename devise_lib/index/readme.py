"""The README.md of a bundle, for a search team that has faiss and pyarrow but not this package."""

from collections.abc import Mapping
from typing import Any

TEMPLATE = """\
# {n:,} photos of model {model_id}

A faiss index, `{index_key}`, over unit vectors of {dimension} numbers. Scores are cosines.
Query it with vectors of the same model only: `{model_id}`.

| file | what it is |
|---|---|
| index.faiss | the index; its ids are row numbers, 0 to n - 1 |
| ids.parquet | `row`, `photo_id`: whose vector a row is, in the order of the rows |
| manifest.json | where the vectors came from, the parameters, recall, SHA-256 of the files |

With `nprobe` {nprobe} of {nlist} lists, {percent:.1f} % of the exact {k} nearest neighbours are
found, measured on {queries} of its vectors. The curve in manifest.json has the recall of others:
more lists find more, and take longer.

## Query it

    {how_to}

Save the lines as `query.py` and run `python query.py QUERIES.npy` in this folder.
"""

HOW_TO = """\
import sys

import faiss
import numpy as np
import pyarrow.parquet as pq

queries = np.load(sys.argv[1])  # (n, {dimension}) float32, each of unit L2 norm
index = faiss.read_index("index.faiss")  # add faiss.IO_FLAG_MMAP to leave it on disk
index.nprobe = {nprobe}
cosines, rows = index.search(queries, {k})
photo_ids = pq.read_table("ids.parquet").column("photo_id")
for found, scores in zip(rows, cosines):
    print(*(f"{{photo_ids[int(r)]}} {{s:.4f}}" for r, s in zip(found, scores) if r >= 0))
"""


def how_to_query(manifest: Mapping[str, Any]) -> str:
    """Returns a program with faiss, numpy and pyarrow that queries the bundle in the current
    folder.
    """
    return HOW_TO.format(**manifest)


def readme(manifest: Mapping[str, Any]) -> str:
    """Returns the text of README.md from the fields of a manifest."""
    how_to = how_to_query(manifest).rstrip().replace("\n", "\n    ").replace("    \n", "\n")
    return TEMPLATE.format(**manifest, percent=100 * manifest["recall"], how_to=how_to)
