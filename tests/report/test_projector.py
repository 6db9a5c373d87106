import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devise_lib.report.projector import (
    CONFIG,
    SPRITE_SIDE,
    TILE_SIDE,
    Points,
    make_sprite,
    write_projector,
)

RNG = np.random.default_rng(0)
N = 7
VECTORS = RNG.normal(size=(N, 5)).astype(np.float32)
ROWS = [(f"label {i}", f"photo{i}", "seen") for i in range(N)]
COLUMNS = ("label", "photo_id", "seen")
TILES = RNG.integers(0, 256, (N, TILE_SIDE, TILE_SIDE, 3)).astype(np.uint8)
PHOTOS = Points("photos", VECTORS, COLUMNS, ROWS, TILES)
LABELS = Points("labels", VECTORS[:3], COLUMNS, ROWS[:3])


def projector_config():
    """TensorBoard's message, as far as files are named in it, from the numbers of its .proto."""
    field = descriptor_pb2.FieldDescriptorProto
    text, number, message = field.TYPE_STRING, field.TYPE_UINT32, field.TYPE_MESSAGE
    of = {
        "SpriteMetadata": [("image_path", 1, text), ("single_image_dim", 2, number)],
        "EmbeddingInfo": [
            ("tensor_name", 1, text),
            ("metadata_path", 2, text),
            ("bookmarks_path", 3, text),
            ("tensor_shape", 4, number),
            ("sprite", 5, message),
            ("tensor_path", 6, text),
        ],
        "ProjectorConfig": [("model_checkpoint_path", 1, text), ("embeddings", 2, message)],
    }
    several = {"single_image_dim", "tensor_shape", "embeddings"}
    kinds = {"sprite": ".p.SpriteMetadata", "embeddings": ".p.EmbeddingInfo"}
    file = descriptor_pb2.FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
    for name, fields in of.items():
        made = file.message_type.add(name=name)
        for key, place, kind in fields:
            label = field.LABEL_REPEATED if key in several else field.LABEL_OPTIONAL
            made.field.add(name=key, number=place, type=kind, label=label, type_name=kinds.get(key))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.ProjectorConfig"))()


def read_config(folder):
    return text_format.Parse((folder / CONFIG).read_text(encoding="utf-8"), projector_config())


def read_vectors(path) -> np.ndarray:
    """As TensorBoard's plugin reads a tensor."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return np.array([list(map(float, line.split("\t"))) for line in lines if line], np.float32)


def read_rows(path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "projector"
    write_projector(folder, [PHOTOS, LABELS])
    return folder


def test_the_configuration_names_the_files_that_there_are(folder):
    photos, labels = read_config(folder).embeddings
    assert (photos.tensor_name, labels.tensor_name) == ("photos", "labels")
    assert list(photos.sprite.single_image_dim) == [TILE_SIDE, TILE_SIDE]
    assert not labels.HasField("sprite")
    named = {photos.sprite.image_path, CONFIG}
    named |= {
        path for entry in (photos, labels) for path in (entry.tensor_path, entry.metadata_path)
    }
    assert named == {path.name for path in folder.iterdir()}


def test_row_i_of_vectors_metadata_and_sprite_is_the_same_photo(folder):
    entry = read_config(folder).embeddings[0]
    np.testing.assert_array_equal(read_vectors(folder / entry.tensor_path), VECTORS)
    head, *rows = read_rows(folder / entry.metadata_path)
    assert (tuple(head), [tuple(row) for row in rows]) == (COLUMNS, ROWS)
    sprite = np.asarray(Image.open(folder / entry.sprite.image_path))
    width, height = entry.sprite.single_image_dim
    columns = sprite.shape[1] // width  # as the projector's page counts them
    for i, tile in enumerate(TILES):
        top, left = i // columns * height, i % columns * width
        np.testing.assert_array_equal(sprite[top : top + height, left : left + width], tile)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=4))
def test_a_cell_breaks_neither_its_row_nor_its_column(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("cells")
    rows = [(name, f"p{i}") for i, name in enumerate(names)]
    write_projector(folder, [Points("x", VECTORS[: len(rows)], ("label", "photo_id"), rows)])
    _, *found = read_rows(folder / "x_metadata.tsv")
    assert [row[1] for row in found] == [f"p{i}" for i in range(len(names))]
    assert all(len(row) == 2 for row in found)
    assert len({row[0] for row in found}) == len(set(names)), "no two names become one"


def test_tabs_and_newlines_are_escaped_and_other_letters_stay(tmp_path):
    rows = [("a\tb\nc\rd\\t", "p0"), ('\u96ea\u8c79 "x", <y>', "p1")]
    write_projector(tmp_path, [Points("x", VECTORS[:2], ("label", "photo_id"), rows)])
    _, first, second = read_rows(tmp_path / "x_metadata.tsv")
    assert first == [r"a\tb\nc\rd\\t", "p0"]
    assert second == ['\u96ea\u8c79 "x", <y>', "p1"]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 12])
def test_a_sprite_is_a_square_grid_filled_row_by_row_and_white_behind(count):
    tiles = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sprite = make_sprite(tiles)
    columns = next(c for c in range(1, 9) if c * c >= count)
    assert sprite.shape[1] == 2 * columns
    assert sprite.shape[0] == 2 * -(-count // columns)
    cells = sprite[::2, ::2, 0].ravel().tolist()
    assert cells == [*range(count), *[255] * (len(cells) - count)]


def test_a_sprite_that_browsers_could_not_take_is_refused():
    side = SPRITE_SIDE // 3
    assert make_sprite(np.zeros((9, side, side, 3), np.uint8)).shape[1] <= SPRITE_SIDE
    with pytest.raises(ValueError, match=r"10 thumbnails of .* pixels a side, want 8192"):
        make_sprite(np.zeros((10, side, side, 3), np.uint8))


@pytest.mark.parametrize(
    "points",
    [
        Points("x", VECTORS, COLUMNS, ROWS[:-1]),
        Points("x", VECTORS, COLUMNS, ROWS, TILES[:-1]),
        Points("x", VECTORS, ("label",), [("a",)] * N),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, points):
    with pytest.raises(ValueError, match="want as many rows and thumbnails as vectors"):
        write_projector(tmp_path, [points])
