from itertools import islice, product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.training.softmax import SHIFT, SoftmaxPlan, shifted_photos

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:petastorm.arrow_reader_worker")

PHOTOS = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> SoftmaxPlan:
    path = tmp_path_factory.mktemp("pixels") / "a.parquet"
    labels = [f"label {i:02}" for i in range(30)]
    columns = {"pixels": [photo.tobytes() for photo in PHOTOS], "label": labels}
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return SoftmaxPlan(
        file_urls=[path.as_uri()],
        rows=30,
        classes=labels[::-1],
        network=b"",
        image_size=16,
        epochs=1,
        batch_size=10,
        readers=1,
        learning_rate=0.1,
        seed=0,
        threads=1,
    )


def test_photos_come_with_their_class_shifted_by_the_batch_and_half_of_them_mirrored(plan):
    places = np.arange(-SHIFT, SHIFT + 1)
    shifts, mirrored = set(), 0
    for photos, classes in islice(shifted_photos(plan, 0, 1)(0), 60):
        assert (photos.shape, photos.dtype) == ((10, 16, 16, 3), np.float32)
        assert classes.dtype == np.int32
        originals = PHOTOS[29 - classes]
        turned = originals[:, :, ::-1]
        for shift in product(places, places):
            back = np.roll(photos, [-s for s in shift], axis=(1, 2))
            straight = (back == originals).all(axis=(1, 2, 3))
            flipped = (back == turned).all(axis=(1, 2, 3))
            if (straight | flipped).all():
                shifts.add(shift)
                mirrored += flipped.sum()
                break
        else:
            raise AssertionError("a photo is not the one of its class")
    assert 240 < mirrored < 360  # five deviations about a half
    assert {s for shift in shifts for s in shift} == set(places)
