"""The words, photos and vectors that the page's script searches, as JSON."""

from collections.abc import Collection
from typing import Any

from devise_lib.report.content import SearchMaterial
from devise_lib.report.parts.page_budget import Allowance
from devise_lib.report.parts.quantized import encode_vectors
from devise_lib.report.pictures import data_uri, make_mosaic


def make_search_data(
    material: SearchMaterial, shown: Collection[str], allowance: Allowance
) -> dict[str, Any]:
    """Return what `report.js` reads from the page.

    Photos without a picture are left out.

    Args:
        material: the words and photos.
        shown: ids of the photos whose picture is elsewhere on the page. Each other photo has a tile
            in one image, the mosaic.
        allowance: limits the words, and the size of the tiles.
    """
    kept = [number for number, photo in enumerate(material.photos) if photo.jpeg]
    photos = [material.photos[number] for number in kept]
    tiles = [photo for photo in photos if photo.photo_id not in shown]
    tile_of = {photo.photo_id: number for number, photo in enumerate(tiles)}
    words = list(material.words[: allowance.words])
    mosaic = [photo.jpeg for photo in tiles if photo.jpeg]
    return {
        "dimension": int(material.embeddings.shape[1]),
        "words": words,
        "wordVectors": encode_vectors(material.word_vectors[: len(words)]),
        "photos": [
            {
                "id": photo.photo_id,
                "label": photo.truth,
                "file": photo.file_name,
                "tile": tile_of.get(photo.photo_id, -1),
            }
            for photo in photos
        ],
        "photoVectors": encode_vectors(material.embeddings[kept]),
        "mosaic": data_uri(
            make_mosaic(mosaic, allowance.tile_side, allowance.quality), "image/webp"
        )
        if mosaic
        else "",
        "tileSide": allowance.tile_side,
        "longestPhrase": material.longest_phrase,
        "unwantedWeight": material.unwanted_weight,
    }
