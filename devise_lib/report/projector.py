"""Files of TensorBoard's embedding projector: vectors, what is known of them, thumbnails.

All text, so that the projector's own page takes them, too (projector.tensorflow.org, "Load").
Format: tensorboard/plugins/projector/projector_config.proto, of which a logdir holds one as text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CONFIG = "projector_config.pbtxt"  # the name that TensorBoard looks for
SPRITE_SIDE = 8_192  # pixels; the largest texture that browsers are sure to take
TILE_SIDE = 64  # pixels of a thumbnail
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@dataclass(frozen=True)
class Points:
    """A tensor of the projector: n vectors, in the order of their metadata and thumbnails.

    Attributes:
        name: of the tensor and of its files.
        vectors: (n, d).
        columns: names of the metadata, two at least: the projector takes one alone for no name.
        rows: n rows of metadata.
        tiles: (n, side, side, 3) RGB; None where there are no thumbnails.
    """

    name: str
    vectors: NDArray[np.float32]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    tiles: NDArray[np.uint8] | None = None


def write_projector(folder: Path, tensors: Sequence[Points]) -> None:
    """Write all files into `folder`, which `tensorboard --logdir` then opens.

    Raises:
        ValueError: a tensor's parts differ in number, or its thumbnails do not fit one image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for points in tensors:
        counts = {len(points.vectors), len(points.rows)}
        counts |= set() if points.tiles is None else {len(points.tiles)}
        if len(counts) > 1 or len(points.columns) < 2:
            raise ValueError(
                f"{points.name}: want as many rows and thumbnails as vectors, and 2 columns at "
                f"least; got {sorted(counts)}, columns {list(points.columns)}"
            )
        _write(folder / f"{points.name}.tsv", (_numbers(vector) for vector in points.vectors))
        table = [points.columns, *points.rows]
        _write(folder / f"{points.name}_metadata.tsv", (_cells(row) for row in table))
        if points.tiles is not None:
            sprite = Image.fromarray(make_sprite(points.tiles))
            sprite.save(folder / f"{points.name}_sprite.png", optimize=True)
        entries.append(_entry(points))
    (folder / CONFIG).write_text("".join(entries), encoding="utf-8")


def make_sprite(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One image of all thumbnails, row by row, in a square grid.

    Args:
        tiles: (n, side, side, 3), n at least 1.

    Returns:
        (rows * side, columns * side, 3); places behind the last thumbnail are white.

    Raises:
        ValueError: the image would have more than SPRITE_SIDE pixels a side.
    """
    count, side = tiles.shape[:2]
    columns = int(np.ceil(np.sqrt(count)))
    if columns * side > SPRITE_SIDE:
        raise ValueError(
            f"{count} thumbnails of {side} pixels make an image of {columns * side} pixels a side, "
            f"want {SPRITE_SIDE} at most"
        )
    rows = -(-count // columns)
    grid = np.full((rows * columns, side, side, 3), 255, dtype=np.uint8)
    grid[:count] = tiles
    lines = grid.reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
    return lines.reshape(rows * side, columns * side, 3)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _numbers(vector: NDArray[np.float32]) -> str:
    return "\t".join(f"{number:.9g}" for number in vector.tolist())  # 9 digits: every float32


def _cells(row: Sequence[str]) -> str:
    return "\t".join(cell.translate(_ESCAPES) for cell in row)


def _entry(points: Points) -> str:
    """An `embeddings` of the configuration; names of files are relative to it."""
    lines = [
        f'tensor_name: "{points.name}"',
        f'tensor_path: "{points.name}.tsv"',
        f'metadata_path: "{points.name}_metadata.tsv"',
    ]
    if points.tiles is not None:
        side = points.tiles.shape[1]
        dims = f"single_image_dim: {side} single_image_dim: {side}"
        lines.append(f'sprite {{ image_path: "{points.name}_sprite.png" {dims} }}')
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
