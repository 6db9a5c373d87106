"""How near the copies of photos are to their originals, and how near other photos are.

python benchmarks/lsh_copies.py WORK_FOLDER [--photo-set NAME] [--photos N]

The champion of WORK_FOLDER embeds N photos and copies of them in other qualities, sizes and cuts.
The first table has the cosines of copies with their originals, in the space of words and of
backbone features. The last row has each photo's nearest other one among the N. The second table
has, per threshold, the share of copies that reach it, and the share of photos that another photo
reaches. By it `find_duplicates.min_cosine` is chosen.
"""

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from deltalake import DeltaTable
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from devise_lib import model_store, tracking  # noqa: E402 - found by the line above
from devise_lib.config.search import FindDuplicates  # noqa: E402
from devise_lib.numerics.vectors import l2_normalize  # noqa: E402
from devise_lib.training.model import with_feature  # noqa: E402
from devise_lib.vision.images.decode import decode, is_plain  # noqa: E402
from devise_lib.vision.networks.inference import Network  # noqa: E402

SPACES = ("words", "features")
THRESHOLDS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
BATCH = 64


def resized(share: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize([max(1, round(side * share)) for side in image.size])


def cut(share: float) -> Callable[[Image.Image], Image.Image]:
    """Returns what cuts a share of the width and height away, half of it on each side."""

    def edit(image: Image.Image) -> Image.Image:
        left, top = (round(side * share / 2) for side in image.size)
        return image.crop((left, top, image.width - left, image.height - top))

    return edit


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {  # edit, quality of the JPEG
    "quality 90": (lambda image: image, 90),
    "quality 50": (lambda image: image, 50),
    "quality 20": (lambda image: image, 20),
    "three quarters of the size": (resized(0.75), 90),
    "half the size": (resized(0.5), 90),
    "2 % cut": (cut(0.02), 90),
    "10 % cut": (cut(0.1), 90),
    "brighter by 20 %": (lambda image: ImageEnhance.Brightness(image).enhance(1.2), 90),
    "grey": (lambda image: image.convert("L"), 90),
    "mirrored": (ImageOps.mirror, 90),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photo-set", default="")
    parser.add_argument("--photos", type=int, default=1_000)
    args = parser.parse_args()
    contents = read_contents(args.work, args.photo_set, args.photos)
    config = FindDuplicates(work_dir=str(args.work.resolve()))
    tracking.connect(config)
    registered = tracking.find_registered(config.model_name, config.model)
    network = Network(with_feature(model_store.fetch_network(registered)), threads=2)
    originals = embed(network, contents)
    copies = {
        name: embed(network, [encoded(edit, quality, content) for content in contents])
        for name, (edit, quality) in EDITS.items()
    }
    cosines = {
        name: [np.sum(a * b, axis=1) for a, b in zip(originals, of_copies, strict=True)]
        for name, of_copies in copies.items()
    }
    others = [nearest_other(vectors) for vectors in originals]
    print(f"{len(contents):,} photos, {registered.model_id}\n")
    print("| copy |" + "".join(f" {space}: median, 5 %, 1 % |" for space in SPACES))
    print("|---|" + "---|" * len(SPACES))
    for name, found in (*cosines.items(), ("nearest other: median, 95 %, 99 %", others)):
        ends = (50, 95, 99) if found is others else (50, 5, 1)
        cells = (", ".join(f"{value:.4f}" for value in np.percentile(each, ends)) for each in found)
        print(f"| {name} |" + "".join(f" {cell} |" for cell in cells))
    print("\n| space | cosine |" + "".join(f" {name} |" for name in EDITS) + " another photo |")
    print("|---|---|" + "---|" * (len(EDITS) + 1))
    for place, space in enumerate(SPACES):
        for threshold in THRESHOLDS:
            shares = [np.mean(found[place] >= threshold) for found in cosines.values()]
            shares.append(np.mean(others[place] >= threshold))
            cells = "".join(f" {100 * share:.1f} % |" for share in shares)
            print(f"| {space} | {threshold} |{cells}")


def read_contents(work: Path, photo_set: str, n: int) -> list[bytes]:
    """Returns the files of n photos without a colour profile, which copies would lose."""
    photos = DeltaTable(work / "tables" / "photos").to_pandas(
        columns=["photo_id", "photo_set", "path", "content", "removed"]
    )
    photos = photos[photos["removed"].isna() & ~photos["path"].str.contains("!")]
    if photo_set:
        photos = photos[photos["photo_set"] == photo_set]
    contents: list[bytes] = []
    for row in photos.sort_values("photo_id").itertuples():
        path = Path(row.path.removeprefix("file:"))
        content = row.content if row.content is not None else path.read_bytes()
        if is_plain(content):
            contents.append(content)
        if len(contents) == n:
            break
    return contents


def encoded(edit: Callable[[Image.Image], Image.Image], quality: int, content: bytes) -> bytes:
    """Returns the JPEG of an edited photo."""
    buffer = io.BytesIO()
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    edit(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def embed(network: Network, contents: list[bytes]) -> list[NDArray[np.float32]]:
    """Returns the unit vectors of photos, (n, d) in each space."""
    rows: list[list[NDArray[np.float32]]] = []
    for start in range(0, len(contents), BATCH):
        pixels = [decode(each, network.image_size) for each in contents[start : start + BATCH]]
        rows.append(network(np.stack(pixels)))
    return [l2_normalize(np.concatenate(of_space)) for of_space in zip(*rows, strict=True)]


def nearest_other(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the greatest cosine of each vector with another one."""
    products = vectors @ vectors.T
    np.fill_diagonal(products, -1)
    return products.max(axis=1)


if __name__ == "__main__":
    main()
