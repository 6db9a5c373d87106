import pyarrow as pa
import pytest

from devise_lib.spark.photos import decoding
from devise_lib.spark.photos.decoding import DecodedPhotos, Reading
from devise_lib.spark.tables.schemas import PHOTOS
from devise_lib.vision.prefetch import PrefetchLimits
from tests.embedding import photo_row, picture

READING = Reading(decode_threads=3, read_threads=5, prefetch_bytes=1 << 20, limit_s=7.0)


def batch(*rows: tuple) -> pa.RecordBatch:
    """photo_id, and what a photo is read from, of rows of PHOTOS."""
    names = ("photo_id", *decoding.FILE)
    columns = [[row[PHOTOS.names.index(name)] for row in rows] for name in names]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], names=names)


@pytest.mark.parametrize(("stays_at_path", "threads"), [(False, 3), (True, 5)])
def test_photos_are_decoded_as_the_keys_say(tmp_path, monkeypatch, stays_at_path, threads):
    given = {}

    def spy(work, photos, **keys):
        given.update(keys)
        return prefetch_map(work, photos, **keys)

    prefetch_map = decoding.prefetch_map
    monkeypatch.setattr(decoding, "prefetch_map", spy)
    path = tmp_path / "p.png"
    path.write_bytes(picture(9))
    row = photo_row("p", picture(9), path=str(path))
    photos = batch((*row[:-1], None) if stays_at_path else row)
    [pixels] = DecodedPhotos(iter([photos]), 1, 16, READING).decoded()
    assert pixels.shape == (16, 16, 3)
    assert given["limits"] == PrefetchLimits(threads, ahead=1 << 20, limit_s=7.0)


def test_results_go_with_the_rows_of_their_batch():
    rows = [photo_row(f"p{i}", picture(i)) for i in range(5)]
    batches = [batch(*rows[:2]), batch(*rows[:0]), batch(*rows[2:])]
    photos = DecodedPhotos(iter(batches), 1, 16, READING)
    found = [
        (kept.column(0).to_pylist(), [int(pixels[0, 0, 0]) for pixels in pixels])
        for kept, pixels in photos.by_batch(photos.decoded())
    ]
    assert found == [(["p0", "p1"], [0, 1]), (["p2", "p3", "p4"], [2, 3, 4])]
