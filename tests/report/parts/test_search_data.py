import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from devise_lib.report.parts.page_budget import ALLOWANCES
from devise_lib.report.parts.search_data import make_search_data
from tests.report.pages import searchable

SHOWN = {f"{name}-0" for name in ("zebra", "horse", "ship", "fire_truck", "church", "rose")}


def material():
    found = searchable().search
    assert found is not None
    return found


def test_words_are_cut_from_the_end_and_each_has_its_vector():
    few = replace(ALLOWANCES[0], words=3)
    data = make_search_data(material(), SHOWN, few)
    assert data["words"] == ["zebra", "horse", "ship"]
    assert len(base64.b64decode(data["wordVectors"])) == 3 * data["dimension"] == 3 * 24
    assert len(base64.b64decode(data["photoVectors"])) == 24 * len(data["photos"])


def test_photos_that_no_gallery_shows_have_a_tile_of_their_own():
    data = make_search_data(material(), SHOWN, ALLOWANCES[-1])
    tiles = {photo["id"]: photo["tile"] for photo in data["photos"]}
    assert {photo_id for photo_id, tile in tiles.items() if tile < 0} == SHOWN
    assert sorted(tile for tile in tiles.values() if tile >= 0) == [*range(18)]
    side = data["tileSide"]
    image = Image.open(io.BytesIO(base64.b64decode(data["mosaic"].partition(",")[2])))
    assert image.size == (5 * side, 4 * side)
    tile = tiles["rose-3"]
    left, top = tile % 5 * side, tile // 5 * side
    colour = np.asarray(image.crop((left + 4, top + 4, left + side - 4, top + side - 4))).mean(
        (0, 1)
    )
    np.testing.assert_allclose(colour, (200, 180, 120), atol=12)


def test_photos_without_a_picture_are_left_out_with_their_vectors():
    some = material()
    photos = [replace(some.photos[0], jpeg=None), *some.photos[1:]]
    data = make_search_data(replace(some, photos=photos), SHOWN, ALLOWANCES[0])
    assert data["photos"][0]["id"] == "horse-0"
    assert len(base64.b64decode(data["photoVectors"])) == 24 * len(data["photos"]) == 24 * 23


def test_without_further_photos_there_is_no_mosaic():
    some = material()
    data = make_search_data(some, {photo.photo_id for photo in some.photos}, ALLOWANCES[0])
    assert data["mosaic"] == ""
