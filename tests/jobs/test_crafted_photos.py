"""Crafted files of every kind through ingest_photos and embed_photos, as a folder of them."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from devise_lib.config.photos import EmbedPhotos, IngestPhotos
from devise_lib.vision.networks.keras_file import bytes_of_model
from jobs import embed_photos, ingest_photos
from tests.crafted import CRAFTED, SIZE
from tests.embedding import pretended_model
from tests.rows import read_rows

pytestmark = pytest.mark.spark

MODEL = "pixels-v1"
GOOD = [name for name, crafted in CRAFTED.items() if crafted.reason is None]


@pytest.fixture(scope="module")
def outcome(spark, tmp_path_factory):
    """By file name: the embedding, the pixels of the photo; and (stage, reason) of the refused."""
    root = tmp_path_factory.mktemp("crafted")
    folder, work = root / "photos", str(root / "work")
    folder.mkdir()
    for name, crafted in CRAFTED.items():
        (folder / name).write_bytes(crafted.content)
    inputs = keras.Input((SIZE, SIZE, 3))
    pixels = keras.layers.UnitNormalization()(keras.layers.Flatten()(inputs))
    keras_file = bytes_of_model(keras.Model(inputs, pixels))
    with pretended_model(MODEL, keras_file, SIZE * SIZE * 3):
        source = [{"path": str(folder), "name": "crafted"}]
        ingest_photos.run(spark, IngestPhotos(work_dir=work, source=source, max_bad_share=1.0))
        config = EmbedPhotos(work_dir=work, max_bad_share=1.0, optimize=False)
        counts = embed_photos.run(spark, config)
    names = {
        row["photo_id"]: row["path"].rsplit("/", 1)[-1]
        for table in ("photos", "quarantine")
        for row in read_rows(config.work_dir, table, ["photo_id", "path"])
    }
    embedded = read_rows(config.work_dir, "embeddings", ["photo_id", "embedding"])
    refused = read_rows(config.work_dir, "quarantine", ["photo_id", "stage", "reason"])
    return SimpleNamespace(
        counts=counts,
        embedded={names[row["photo_id"]]: np.asarray(row["embedding"]) for row in embedded},
        refused={names[row["photo_id"]]: (row["stage"], row["reason"]) for row in refused},
        rows=len(embedded) + len(refused),
    )


def test_every_file_is_embedded_or_refused_once(outcome):
    assert outcome.rows == len(CRAFTED) >= 25
    assert outcome.embedded.keys() | outcome.refused.keys() == CRAFTED.keys()


def test_every_broken_one_is_refused_for_its_reason_at_its_stage(outcome):
    wanted = {
        name: ("ingest_photos" if crafted.at_ingest else "embed_photos", crafted.reason.value)
        for name, crafted in CRAFTED.items()
        if crafted.reason is not None
    }
    # Ingest knows which archives it opens, so it says of others that their kind is not opened.
    wanted |= {n: ("ingest_photos", "unsupported_format") for n in ("zip.jpg", "packed.jpg")}
    assert outcome.refused == wanted


def test_every_odd_one_is_embedded_as_its_picture(outcome):
    assert sorted(outcome.embedded) == sorted(GOOD)
    wrong = {}
    for name in GOOD:
        wanted = CRAFTED[name].pixels().ravel()
        found = outcome.embedded[name] * np.linalg.norm(wanted)  # in grey levels again
        difference = np.abs(found - wanted).mean()
        if difference > CRAFTED[name].tolerance + 0.5:  # the norm is of the decoded one
            wrong[name] = difference
    assert wrong == {}
