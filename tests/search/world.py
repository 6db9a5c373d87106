"""A collection of photos of one colour each, whose embeddings are their colours."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from devise_lib.index.manifest import MODEL_FILE
from devise_lib.numerics.vectors import l2_normalize
from tests.index.built import D, build_bundle

SIDE = 32
AXES = np.linalg.qr(np.random.default_rng(1).standard_normal((D, 3)))[0].T.astype(np.float32)
# Ten photos of each kind, from pure to mixed; what they show, and who took them.
KINDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
OWNERS = {"red": "ann", "green": "bob", "blue": "bob", "yellow": None}
MIXED = 10


@dataclass(frozen=True)
class World:
    """Where everything is; `ids` and `files` are by kind, the purest first."""

    work: Path
    bundle: Path
    ids: dict[str, list[str]]
    files: dict[str, list[Path]]


def colour(kind: str, place: int) -> np.ndarray:
    """(3,) in [0, 255]: the kind's colour with a little of grey."""
    pure = np.array(KINDS[kind], float)
    return np.round(255 * ((1 - 0.04 * place) * pure + 0.04 * place * 0.5)).astype(np.uint8)


def make_world(work: Path) -> World:
    """Makes a work folder with an index bundle, a network, words, photos and their table."""
    keys = [(kind, place) for kind in KINDS for place in range(MIXED)]
    colours = np.stack([colour(*key) for key in keys])
    vectors = l2_normalize(colours.astype(np.float32) @ AXES)
    labels = {f"{kind} thing": _word(pure) for kind, pure in KINDS.items()}
    words = {
        "pink": _word((1, 0.4, 0.5)),
        "sky": _word((0.3, 0.6, 1)),
        "moss": _word((0.3, 1, 0.2)),
    }
    built = build_bundle(
        work / "index" / "bundle",
        "IVF1,Flat",
        (len(keys),),
        words=labels | words,
        vectors=vectors,
        labels=len(labels),
    )
    (work / "index" / "CURRENT").write_text("bundle\n", encoding="utf-8")
    _network().save(built.folder / MODEL_FILE)
    ids, files, rows = {}, {}, []
    for photo_id, (kind, place), pixel in zip(built.ids, keys, colours, strict=True):
        path = work / "files" / f"{kind}-{place}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.tile(pixel, (SIDE, SIDE, 1))).save(path)
        ids.setdefault(kind, []).append(photo_id)
        files.setdefault(kind, []).append(path)
        about = {"label": f"{kind} thing", "owner": OWNERS[kind], "revision": 2}
        stored = path.read_bytes() if kind == "blue" else None  # as for members of archives
        rows.append({"photo_id": photo_id, "path": f"file:{path}", "content": stored, **about})
        rows.append({**rows[-1], "label": "of before", "revision": 1})
    (work / "tables").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), work / "tables" / "photos")
    return World(work, built.folder, ids, files)


def _word(rgb) -> np.ndarray:
    return l2_normalize((np.array([rgb], np.float32)) @ AXES)[0]


def _network() -> keras.Model:
    pixels = keras.Input((SIDE, SIDE, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    dense = keras.layers.Dense(D, use_bias=False)
    model = keras.Model(pixels, keras.layers.UnitNormalization()(dense(mean)))
    dense.set_weights([AXES])
    return model
