"""A model in the forms that other programs load: Keras, SavedModel and TFLite, each checked.

All give the unit embedding of a photo. The Keras file and the TFLite file take pixels, (n, size,
size, 3) RGB in [0, 255]; the SavedModel takes encoded photos too, as TensorFlow Serving is sent
them.
"""

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.vision.images.decode import Refusal, decode, is_plain
from devise_lib.vision.networks.keras_file import model_of_bytes

KERAS, SAVED_MODEL, TFLITE = "model.keras", "saved_model", "model.tflite"
VERSION = "1"  # TensorFlow Serving wants the model in a folder named by a number
PIXELS_TOLERANCE = 1e-4  # of an embedding's numbers, for the same pixels
IMAGE_BYTES = (
    "image_bytes: encoded photos, which must be upright, opaque, whole, in sRGB, and JPEG, PNG, "
    "GIF or BMP; EXIF, transparency and ICC profiles are not read. Send any other photo as pixels."
)
PIXELS = "pixels: (n, image_size, image_size, 3) RGB in [0, 255], as EMBEDDINGS were made from"
BYTES_COSINE = 0.995  # of the same encoded photo: TensorFlow's resizing rounds otherwise

Embed = Callable[[Any], NDArray[np.float32]]


@dataclass(frozen=True)
class Check:
    """How near an exported form comes to the model itself.

    Attributes:
        form: the file or the signature.
        photos: that it was checked with.
        largest_difference: of any number of an embedding, from the same pixels.
        least_cosine: of an embedding with the model's own.
        passed: whether the stated tolerance holds.
    """

    form: str
    photos: int
    largest_difference: float
    least_cosine: float
    passed: bool


def export(model: keras.Model, folder: Path) -> None:
    """Write all forms into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / KERAS)
    archive = keras.export.ExportArchive()
    archive.track(model)
    size = model.input_shape[1]

    def embed(image_bytes: Any) -> dict[str, Any]:
        photos = tf.map_fn(
            lambda content: decode_and_fit(content, size),
            image_bytes,
            fn_output_signature=tf.TensorSpec((size, size, 3), tf.float32),
        )
        return {"embedding": model(photos, training=False)}

    contents = tf.TensorSpec((None,), tf.string, name="image_bytes")
    archive.add_endpoint("serving_default", embed, input_signature=[contents])
    pixels = tf.TensorSpec((None, size, size, 3), tf.float32, name="pixels")
    archive.add_endpoint(
        "pixels", lambda x: {"embedding": model(x, training=False)}, input_signature=[pixels]
    )
    archive.write_out(str(folder / SAVED_MODEL / VERSION), verbose=False)
    (folder / TFLITE).write_bytes(_to_tflite(model))


def decode_and_fit(content: Any, size: int) -> Any:
    """`vision.images.decode` in TensorFlow's graph: the short side to `size`, the centre kept.

    It reads JPEG, PNG, GIF (first frame) and BMP. It leaves out transparency, and reads neither
    EXIF nor ICC profiles. So a photo must be upright, opaque and in sRGB, or its embedding is
    another one. Of such a photo no pixel differs from Pillow's by more than 1.

    Args:
        content: scalar string, the file.
        size: side of the square, pixels.

    Returns:
        (size, size, 3) RGB in [0, 255].
    """
    image = tf.cond(
        tf.io.is_jpeg(content),
        lambda: _decode_jpeg(content, size),
        lambda: tf.io.decode_image(content, channels=3, expand_animations=False),
    )
    image.set_shape((None, None, 3))
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = size / tf.reduce_min(shape)
    fitted = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=(size, size),
        scale=tf.stack([scale, scale]),
        translation=(size - shape * scale) / 2.0,
        kernel_type="triangle",  # Pillow's bilinear: it averages where it makes smaller
        antialias=True,
    )
    return tf.round(tf.clip_by_value(fitted[0], 0.0, 255.0))


def _decode_jpeg(content: Any, size: int) -> Any:
    """At 1/8, 1/4 or 1/2 where that is enough, as Pillow's draft does."""
    enough = tf.reduce_min(tf.io.extract_jpeg_shape(content)[:2]) // size

    def at(ratio: int) -> Callable[[], Any]:
        options = {"ratio": ratio, "dct_method": "INTEGER_ACCURATE"}  # Pillow's
        return lambda: tf.io.decode_jpeg(content, channels=3, **options)

    return tf.case([(enough >= ratio, at(ratio)) for ratio in (8, 4, 2)], default=at(1))


def check(model: keras.Model, folder: Path, photos: Sequence[bytes]) -> list[Check]:
    """Load each form again and compare it with the model.

    Photos that cannot be decoded are left out. The signature of encoded photos is checked with
    plain photos alone (`is_plain`), because TensorFlow reads others in another way.

    Args:
        model: what was exported.
        folder: where to.
        photos: encoded.

    Raises:
        InputError: no photo can be decoded.
    """
    size = model.input_shape[1]
    fitted = [(content, decode(content, size)) for content in photos]
    good = [(content, pixels) for content, pixels in fitted if not isinstance(pixels, Refusal)]
    if not good:
        raise InputError(
            f"none of {len(photos)} photos can be decoded, to check the export with: give a larger "
            "export_model.photos"
        )
    pixels = np.stack([p for _, p in good]).astype(np.float32)
    wanted = np.asarray(model.predict(pixels, verbose=0))
    loaded = _signatures(folder / SAVED_MODEL / VERSION)
    forms: dict[str, Embed] = {
        KERAS: _of_keras(folder / KERAS),
        TFLITE: _of_tflite(folder / TFLITE),
        f"{SAVED_MODEL}, pixels": lambda x: loaded["pixels"](pixels=x)["embedding"].numpy(),
    }
    checks = []
    for form, embed in forms.items():
        found = embed(tf.constant(pixels))
        checks.append(_compare(form, found, wanted, PIXELS_TOLERANCE, None))
    plain = [row for row, (content, _) in enumerate(good) if is_plain(content)]
    if plain:
        contents = tf.constant([good[row][0] for row in plain])
        served = loaded["serving_default"](image_bytes=contents)["embedding"].numpy()
        form = f"{SAVED_MODEL}, image_bytes"
        checks.append(_compare(form, served, wanted[plain], None, BYTES_COSINE))
    return checks


def _signatures(folder: Path) -> Any:
    """The functions of a SavedModel.

    TensorFlow takes signs of the path, such as [, for a pattern. So a link leads to the folder.
    """
    with tempfile.TemporaryDirectory(prefix="devise-") as plain:
        link = Path(plain) / "model"
        link.symlink_to(folder.absolute())
        return tf.saved_model.load(str(link)).signatures


def describe(folder: Path, model_id: str, model: keras.Model, checks: Sequence[Check]) -> Any:
    """What the manifest beside the files says, as JSON's values."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "model_id": model_id,
        "image_size": model.input_shape[1],
        "dimension": model.output_shape[1],
        "input": "RGB in [0, 255], the short side scaled to image_size, the centre kept",
        "output": "embedding of unit L2 norm",
        "signatures": {"serving_default": IMAGE_BYTES, "pixels": PIXELS},
        "checks": [asdict(each) for each in checks],
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        },
    }


def _to_tflite(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the signature
            model.export(folder, format="tf_saved_model", verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def _of_keras(path: Path) -> Embed:
    loaded = model_of_bytes(path.read_bytes())
    return lambda pixels: np.asarray(loaded.predict(pixels, verbose=0))


def _of_tflite(path: Path) -> Embed:
    interpreter = tf.lite.Interpreter(model_path=str(path))
    run = interpreter.get_signature_runner()
    [name] = run.get_input_details()

    def embed(pixels: Any) -> NDArray[np.float32]:
        rows = [next(iter(run(**{name: photo[None]}).values())) for photo in pixels]
        return np.concatenate(rows)

    return embed


def _compare(
    form: str,
    found: NDArray[np.float32],
    wanted: NDArray[np.float32],
    tolerance: float | None,
    cosine: float | None,
) -> Check:
    difference = float(np.abs(found - wanted).max())
    least = float(np.sum(found * wanted, axis=1).min())
    passed = (tolerance is None or difference <= tolerance) and (cosine is None or least >= cosine)
    return Check(form, len(found), difference, least, passed)
