"""export_projector on a small work folder: what is exported is what the tables have."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devise_lib import tracking
from devise_lib.config.reporting import ExportModel, ExportProjector
from devise_lib.errors import InputError
from devise_lib.report.pictures import encode_jpeg
from devise_lib.report.projector import TILE_SIDE
from devise_lib.spark.job.locks import only_run
from devise_lib.vision.images.decode import decode
from jobs import export_model, export_projector
from tests.embedded import MODEL, clustered, registry_entry
from tests.rows import write_rows

pytestmark = pytest.mark.spark

N, D = 30, 6
NAMES = ["ant", "bee\tx", "cat"]
VECTORS = clustered(N, D)
LABEL_VECTORS = clustered(3, D, seed=4)
PIXELS = np.random.default_rng(5).integers(0, 256, (N, 80, 70, 3)).astype(np.uint8)
CONTENTS = [encode_jpeg(pixels) for pixels in PIXELS]
LOST, BROKEN, STRANGE = 3, 4, 5  # not in PHOTOS; no photo; of no label of LABELS
LEFT, GONE = 6, 7  # at their paths, where the second is no more


def label_of(i: int) -> str:
    return "unknown" if i == STRANGE else f"{NAMES[i % 3]} photos"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    config = ExportProjector(work_dir=str(folder), photos=N)
    ids = [f"p{i:02}" for i in range(N)]
    (folder / "left.jpg").write_bytes(CONTENTS[LEFT])
    contents: list[bytes | None] = [*CONTENTS]
    contents[BROKEN], contents[LEFT], contents[GONE] = b"broken", None, None
    photos = [
        {
            "photo_id": p,
            "path": f"{folder}/{'left' if i == LEFT else 'gone'}.jpg",
            "content": contents[i],
        }
        for i, p in enumerate(ids)
        if i != LOST
    ]
    embeddings = [
        {"photo_id": p, "model_id": MODEL, "label": label_of(i), "embedding": VECTORS[i].tolist()}
        for i, p in enumerate(ids)
    ]
    embeddings.append({**embeddings[0], "photo_id": "other", "model_id": "another"})
    labels = [
        {"label": f"{name} id", "label_set": "s", "terms": [name], "term": name, "words_id": "w",
         "seen": name != "cat", "aliases": [f"{name} photos"], "vector": vector.tolist()}
        for name, vector in zip(NAMES, LABEL_VECTORS, strict=True)
    ]  # fmt: skip
    labels.append({"label": "xyzzy", "label_set": "s", "terms": ["xyzzy"], "seen": True})
    labels[-1] |= {"aliases": [], "words_id": "w"}
    for name, rows in (("photos", photos), ("embeddings", embeddings), ("labels", labels)):
        for part in range(3):  # of files
            write_rows(folder, name, rows[part::3])
    return config


def use(patch, model):
    """Have the registry name this model."""
    patch.setattr(tracking, "find_registered", lambda *_: model)


def pretend_model(patch):
    use(patch, registry_entry(MODEL, "w"))
    patch.setattr(tracking, "log_params", lambda _: None)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    pretend_model(monkeypatch)


@pytest.fixture(scope="module")
def exported(spark, work):
    """The work folder after an export of all photos, and what the job returned."""
    with pytest.MonkeyPatch.context() as patch:
        pretend_model(patch)
        return work, export_projector.run(spark, work)


def read(folder, name):
    lines = (folder / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [line.split("\t") for line in lines]


def folder_of(config):
    return Path(config.work_dir) / "export" / MODEL / "projector"


def test_vectors_metadata_and_thumbnails_are_of_the_same_photos(exported):
    work, counts = exported
    assert counts == {"photos": N, "labels": 3}
    folder = folder_of(work)
    head, *rows = read(folder, "photos_metadata.tsv")
    assert head == ["label", "photo_id", "seen"]
    vectors = np.array(read(folder, "photos.tsv"), dtype=np.float32)
    sprite = np.asarray(Image.open(folder / "photos_sprite.png"))
    columns = sprite.shape[1] // TILE_SIDE
    assert sorted(row[1] for row in rows) == [f"p{i:02}" for i in range(N)]
    for place, (label, photo_id, seen) in enumerate(rows):
        i = int(photo_id[1:])
        np.testing.assert_array_equal(vectors[place], VECTORS[i])
        known = ["ant", r"bee\tx", "cat"][i % 3], "unseen" if i % 3 == 2 else "seen"
        assert (label, seen) == (("unknown", "") if i == STRANGE else known)
        top, left = place // columns * TILE_SIDE, place % columns * TILE_SIDE
        tile = sprite[top : top + TILE_SIDE, left : left + TILE_SIDE]
        wanted = 255 if i in (LOST, BROKEN, GONE) else decode(CONTENTS[i], TILE_SIDE)
        np.testing.assert_array_equal(tile, wanted)


def test_the_labels_with_a_vector_are_a_tensor_of_their_own(exported):
    work, _ = exported
    _, *rows = read(folder_of(work), "labels_metadata.tsv")
    assert rows == [
        ["ant", "ant id", "seen"],
        [r"bee\tx", r"bee\tx id", "seen"],
        ["cat", "cat id", "unseen"],
    ]
    vectors = np.array(read(folder_of(work), "labels.tsv"), dtype=np.float32)
    np.testing.assert_array_equal(vectors, LABEL_VECTORS)


def test_a_smaller_sample_is_the_head_of_a_larger_one_and_replaces_it(spark, exported, tmp_path):
    folder = shutil.copytree(exported[0].work_dir, tmp_path / "work")
    work = exported[0].model_copy(update={"work_dir": str(folder)})
    _, *whole = read(folder_of(work), "photos_metadata.tsv")
    (folder_of(work) / "left over").touch()
    few = work.model_copy(update={"photos": 7})
    assert export_projector.run(spark, few)["photos"] == 7
    _, *rows = read(folder_of(work), "photos_metadata.tsv")
    assert rows == whole[:7]
    assert [row[1] for row in rows] == [f"p{i:02}" for i in range(7)]
    assert len(read(folder_of(work), "photos.tsv")) == 7
    assert not (folder_of(work) / "left over").exists()
    assert [path.name for path in folder_of(work).parent.iterdir()] == ["projector"]


@pytest.mark.parametrize(
    ("run", "job"), [(export_projector.run, ExportProjector), (export_model.run, ExportModel)]
)
def test_one_job_at_a_time_writes_into_the_folder_of_an_exported_model(run, job, tmp_path):
    """The kind of fault: two jobs with a lock each, one of which moves the other's folder away."""
    with (
        only_run(str(tmp_path), f"export-{MODEL}"),
        pytest.raises(InputError, match=f"export-{MODEL} is running in this work folder already"),
    ):
        run(None, job(work_dir=str(tmp_path)))


def test_a_model_without_embeddings_or_of_other_words_is_refused(spark, work, monkeypatch):
    use(monkeypatch, registry_entry(MODEL, "others"))
    with pytest.raises(InputError, match=r"LABELS were made from other word vectors \(w\)"):
        export_projector.run(spark, work)
    use(monkeypatch, registry_entry("devise-v9", "w"))
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of devise-v9: run embed"):
        export_projector.run(spark, work)
