"""The README.md of a bundle, for a search team that has faiss and numpy but not this package."""

from collections.abc import Mapping, Sequence

from devise_lib.index.factory import IndexKey
from devise_lib.index.manifest import Manifest

TEMPLATE = """\
# {n:,} photos of model {model_id}

A faiss index, `{index_key}`, over unit vectors of {dimension} numbers. Scores are cosines.
Query it with vectors of the same model only: `{model_id}`. It needs faiss {floor} or newer.

| file | what it is |
|---|---|
| base/index.faiss | the index; its ids are row numbers, from 0 on |
| base/ids.npy | the photo_id of each row, as bytes |
| base/lists.npy | the inverted list of each row, by which a row's vector is found |
| base/digests.npy | the first 60 bits of the SHA-256 of each photo's file |
| base/trained.npz | the empty index, with which later photos are encoded |
{more}| manifest.json | where the vectors came from, the parameters, recall, SHA-256 of the files |
| curve.svg | recall and speed of other settings |

With `{parameters}`, {percent:.1f} % of the exact {k} nearest neighbours are found
({low:.1f} to {high:.1f} %, a 95 % confidence interval), measured on {queries} of its vectors that
did not train the index{base}. {threads} threads answer {queries_per_s:,.0f}
queries per second, and one thread takes {latency_ms:.2f} ms for one.

## Query it

    {program}

Save the lines as `query.py` elsewhere, because a bundle never changes. In this folder, run
`python /path/to/query.py /path/to/QUERIES.npy`.
"""

MORE = """\
| delta-*/ | the same for photos that came later; rows go on where the segment before ends |
| removed.npy | the rows of the whole bundle that are not to be found |
"""
WORDS = """\
| words.txt, words.npy | {words:,} labels and words, one per line, and a unit vector for each |
"""

ONE_SEGMENT = """\
import sys

import faiss
import numpy as np

queries = np.load(sys.argv[1])  # (n, {dimension}) float32, each of unit L2 norm
index = faiss.read_index("base/index.faiss", faiss.IO_FLAG_MMAP_IFC)  # without it: in memory
faiss.ParameterSpace().set_index_parameters(index, "{parameters}")
cosines, rows = index.search(queries, {k})
photo_ids = np.load("base/ids.npy", mmap_mode="r")
for found, scores in zip(rows, cosines):
    print(*(f"{{photo_ids[r].decode()}} {{s:.4f}}" for r, s in zip(found, scores) if r >= 0))
"""

SEGMENTS = """\
import json
import sys

import faiss
import numpy as np

queries = np.load(sys.argv[1])  # (n, {dimension}) float32, each of unit L2 norm
removed = {removed}
parts = []
for segment in json.load(open("manifest.json"))["segments"]:
    index = faiss.read_index(segment["name"] + "/index.faiss", faiss.IO_FLAG_MMAP_IFC)
    gone = removed[(removed >= segment["first_row"])] - segment["first_row"]
    selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(gone[gone < segment["rows"]]))
    params = faiss.SearchParametersIVF(nprobe={nprobe}, sel=selector{graph})
{wrapped}    cosines, rows = index.search(queries, {k}, params=params)
    photo_ids = np.load(segment["name"] + "/ids.npy", mmap_mode="r")
    parts.append((cosines, np.where(rows >= 0, photo_ids[rows], b"")))
cosines, names = (np.hstack(each) for each in zip(*parts))
for order, found, scores in zip(np.argsort(-cosines)[:, :{k}], names, cosines):
    print(*(f"{{found[i].decode()}} {{scores[i]:.4f}}" for i in order if found[i]))
"""

BINARY = """\
# {n:,} signatures of model {model_id}

Binary faiss indexes over signatures of {bits} bits. The cosine of a query and a photo is about
cos(pi * distance / {bits}). Query with vectors of the same model only: `{model_id}`, {dimension}
numbers each, of any norm. faiss {faiss_version} wrote the files.

| file | what it is |
|---|---|
{lines}
| ids.npy | the photo_id of each row, as bytes, rising |
| hash.npz | the hash `{hash_id}`: row i of `signature_planes` gives bit i |
| manifest.json | where the signatures came from, the parameters, recall, SHA-256 of the files |

A share is that of the {k} photos of the least Hamming distance, by exact search. It was measured on
{queries} photos that trained no index, and the speed on {threads} threads. To find more, set
`index.nprobe` of an "ivf" or `index.nflip` of a hash higher after reading the file.

## Query it

    {program}

Save the lines as `query.py` elsewhere, because a bundle never changes. In this folder, run
`python /path/to/query.py /path/to/QUERIES.npy`.
"""
BINARY_PROGRAM = """\
import sys

import faiss
import numpy as np

queries = np.load(sys.argv[1]).astype(np.float64)  # (n, {dimension})
planes = np.load("hash.npz")["signature_planes"]
codes = np.packbits(queries @ planes.T.astype(np.float64) > 0, axis=1, bitorder="little")
index = faiss.read_index_binary("{file}")
distances, rows = index.search(codes, {k})
photo_ids = np.load("ids.npy", mmap_mode="r")
for found, differing in zip(rows, distances):
    print(*(f"{{photo_ids[r].decode()}} {{d}}" for r, d in zip(found, differing) if r >= 0))
"""


def how_to_query(manifest: Manifest) -> str:
    """Returns a program with faiss and numpy that queries the bundle in the current folder."""
    values = {
        "dimension": manifest.dimension,
        "parameters": manifest.parameters,
        "k": max(manifest.k, 1),
    }
    if len(manifest.segments) == 1 and not manifest.removed:
        return ONE_SEGMENT.format(**values)
    key, settings = IndexKey.parse(manifest.index_key), manifest.settings
    graph = wrapped = ""
    if settings.ef_search:
        params = f"faiss.SearchParametersHNSW(efSearch={settings.ef_search})"
        graph = f", quantizer_params={params}"
    if key.transforms:
        wrapped += "    params = faiss.SearchParametersPreTransform(index_params=params)\n"
    if key.refine:
        factor = max(settings.k_factor, 1)
        made = f"faiss.IndexRefineSearchParameters(k_factor={factor}, base_index_params=params)"
        wrapped += f"    params = {made}\n"
    removed = 'np.load("removed.npy")' if manifest.removed else "np.empty(0, np.int64)"
    return SEGMENTS.format(
        **values, removed=removed, nprobe=settings.nprobe, graph=graph, wrapped=wrapped
    )


def readme(manifest: Manifest, program: str) -> str:
    """Returns the text of README.md."""
    point = manifest.point
    more = MORE if len(manifest.segments) > 1 or manifest.removed else ""
    more += WORDS.format(words=manifest.words) if manifest.words else ""
    return TEMPLATE.format(
        n=manifest.n,
        model_id=manifest.model_id,
        index_key=manifest.index_key,
        dimension=manifest.dimension,
        floor=manifest.faiss_floor,
        more=more,
        parameters=manifest.parameters,
        percent=100 * point.recall,
        low=100 * point.low,
        high=100 * point.high,
        k=manifest.k,
        queries=manifest.queries,
        base=", when its base was built" if len(manifest.segments) > 1 or manifest.removed else "",
        threads=manifest.threads,
        queries_per_s=point.queries_per_s,
        latency_ms=point.latency_ms,
        program=_indented(program),
    )


def binary_readme(about: Mapping[str, object], lines: Sequence[str], file: str) -> str:
    """Returns the text of README.md of a bundle of binary indexes.

    Args:
        about: what `binary_bundle` tells of the indexes and of their origin, by name.
        lines: of the table, one for each index.
        file: the index that the program searches.
    """
    program = BINARY_PROGRAM.format(**about, file=file)
    return BINARY.format(**about, lines="\n".join(lines), program=_indented(program))


def _indented(program: str) -> str:
    return program.rstrip().replace("\n", "\n    ").replace("    \n", "\n")
