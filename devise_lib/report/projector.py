"""Files of TensorBoard's embedding projector: vectors, metadata and thumbnails.

Vectors and metadata are text files, so the public projector can load them, too
(projector.tensorflow.org, "Load"). A log folder holds one configuration, whose format is
tensorboard/plugins/projector/projector_config.proto as text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CONFIG = "projector_config.pbtxt"  # the name that TensorBoard looks for
SPRITE_SIDE = 8_192  # pixels; the largest texture that every browser can load
TILE_SIDE = 64  # pixels of a thumbnail
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@dataclass(frozen=True)
class Points:
    """A tensor of the projector: n vectors with their metadata and thumbnails in one order.

    Attributes:
        name: of the tensor and of its files.
        vectors: (n, d).
        columns: names of the metadata columns. There are at least two, because the projector reads
            a single column as a file without names.
        rows: n rows of metadata.
        tiles: (n, side, side, 3) RGB thumbnails; None if there are none.
    """

    name: str
    vectors: NDArray[np.float32]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    tiles: NDArray[np.uint8] | None = None


def write_projector(folder: Path, tensors: Sequence[Points]) -> None:
    """Write all files into `folder`. Open them with `tensorboard --logdir`.

    Raises:
        ValueError: a tensor has unequal numbers of vectors, rows and thumbnails, or fewer than two
            columns, or its thumbnails do not fit into one image.
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
    """Put all thumbnails into one image, row by row, in a square grid.

    Args:
        tiles: (n, side, side, 3) with n of at least 1.

    Returns:
        (rows * side, columns * side, 3). Places after the last thumbnail are white.

    Raises:
        ValueError: the image would be more than SPRITE_SIDE pixels wide.
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
    """The `embeddings` message of a tensor. Names of files are relative to the configuration."""
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
