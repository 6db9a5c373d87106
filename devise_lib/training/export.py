"""Exports a model in the forms that other programs load (Keras, SavedModel, TFLite), and checks
each.

All forms return the unit embedding of a photo. The Keras file and the TFLite file take pixels, (n,
size, size, 3) RGB in [0, 255]. The SavedModel also takes encoded photos, because clients of
TensorFlow Serving send those.
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
VERSION = "1"  # TensorFlow Serving expects the model in a folder whose name is a number
PIXELS_TOLERANCE = 1e-4  # largest difference of an embedding's numbers, for the same pixels
IMAGE_BYTES = (
    "image_bytes: encoded photos, which must be upright, opaque, whole, in sRGB, and JPEG, PNG, "
    "GIF or BMP; EXIF, transparency and ICC profiles are not read. Send any other photo as pixels."
)
PIXELS = "pixels: (n, image_size, image_size, 3) RGB in [0, 255], as EMBEDDINGS were made from"
BYTES_COSINE = 0.995  # least, for the same encoded photo: TensorFlow's resizing rounds differently

Embed = Callable[[Any], NDArray[np.float32]]


@dataclass(frozen=True)
class Check:
    """How close an exported form is to the model itself.

    Attributes:
        form: the file or the signature.
        photos: the number of photos of the check.
        largest_difference: of any number of an embedding, for the same pixels.
        least_cosine: of an embedding with the model's own.
        passed: whether the tolerance of the form holds.
    """

    form: str
    photos: int
    largest_difference: float
    least_cosine: float
    passed: bool


def export(model: keras.Model, folder: Path) -> None:
    """Writes all forms of a model into `folder`."""
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
    """Decodes a photo and fits it to a square in TensorFlow's graph, as `vision.images.decode`
    does.

    It reads JPEG, PNG, GIF (the first frame) and BMP. It ignores transparency, EXIF and ICC
    profiles, so the photo must be upright, opaque and in sRGB to get the right embedding. For such
    a photo no pixel differs from Pillow's by more than 1.

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
        kernel_type="triangle",  # as in Pillow's bilinear, which averages when it reduces
        antialias=True,
    )
    return tf.round(tf.clip_by_value(fitted[0], 0.0, 255.0))


def _decode_jpeg(content: Any, size: int) -> Any:
    """Decodes at 1/8, 1/4 or 1/2 of the size if that is enough, as Pillow's draft mode does."""
    enough = tf.reduce_min(tf.io.extract_jpeg_shape(content)[:2]) // size

    def at(ratio: int) -> Callable[[], Any]:
        options = {"ratio": ratio, "dct_method": "INTEGER_ACCURATE"}  # as Pillow
        return lambda: tf.io.decode_jpeg(content, channels=3, **options)

    return tf.case([(enough >= ratio, at(ratio)) for ratio in (8, 4, 2)], default=at(1))


def check(model: keras.Model, folder: Path, photos: Sequence[bytes]) -> list[Check]:
    """Loads each exported form and compares it with the model.

    Photos that cannot be decoded are left out. The signature for encoded photos is checked with
    plain photos only (`is_plain`), because TensorFlow decodes others differently.

    Args:
        model: the exported model.
        folder: the folder of the export.
        photos: encoded photos.

    Raises:
        InputError: no photo can be decoded.
    """
    size = model.input_shape[1]
    fitted = [(content, decode(content, size)) for content in photos]
    good = [(content, pixels) for content, pixels in fitted if not isinstance(pixels, Refusal)]
    if not good:
        raise InputError(
            f"none of {len(photos)} photos can be decoded to check the export with: give a larger "
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
    """Loads the functions of a SavedModel.

    TensorFlow takes characters such as [ in a path for a pattern, so a link with a plain name is
    used.
    """
    with tempfile.TemporaryDirectory(prefix="devise-") as plain:
        link = Path(plain) / "model"
        link.symlink_to(folder.absolute())
        return tf.saved_model.load(str(link)).signatures


def describe(folder: Path, model_id: str, model: keras.Model, checks: Sequence[Check]) -> Any:
    """Returns the contents of the manifest beside the files, as JSON values.

    Args:
        folder: the folder of the export.
        model_id: the id of the model.
        model: the exported model.
        checks: the results of `check`.
    """
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
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints the signature
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
