from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.training.softmax import SoftmaxPlan, _batches

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:petastorm.arrow_reader_worker")

PHOTOS = np.random.default_rng(0).integers(0, 256, (30, 6, 6, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> SoftmaxPlan:
    path = tmp_path_factory.mktemp("pixels") / "a.parquet"
    columns = {"pixels": [photo.tobytes() for photo in PHOTOS], "label_index": range(100, 130)}
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return SoftmaxPlan(
        file_urls=[path.as_uri()],
        rows=30,
        classes=200,
        image_size=6,
        epochs=1,
        batch_size=10,
        learning_rate=0.1,
        seed=0,
        threads=1,
    )


def test_photos_come_with_their_class_and_half_of_them_mirrored(plan):
    mirrored = straight = 0
    for photos, classes in islice(_batches(plan, 0, 1, 10), 60):
        assert (photos.shape, photos.dtype) == ((10, 6, 6, 3), np.float32)
        assert classes.dtype == np.int32
        for photo, number in zip(photos, classes, strict=True):
            original = PHOTOS[number - 100]
            mirrored += (photo == original[:, ::-1]).all()
            straight += (photo == original).all()
    assert mirrored + straight == 600
    assert 240 < mirrored < 360  # five deviations about a half
