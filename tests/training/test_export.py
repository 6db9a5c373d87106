import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from devise_lib.errors import InputError
from devise_lib.training import export as exporting
from devise_lib.training.export import (
    KERAS,
    SAVED_MODEL,
    TFLITE,
    Check,
    check,
    decode_and_fit,
    describe,
    export,
)
from devise_lib.vision.images.decode import decode
from devise_lib.vision.networks.build import network_to_train
from tests.icc_profiles import SWAPPED, matrix_profile

pytestmark = [pytest.mark.slow]

SIZE, DIMENSION = 32, 6
RNG = np.random.default_rng(3)


def encode(pixels, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def smooth(height: int, width: int, mode: str = "RGB"):
    """Noise of a few pixels' scale, as photos have it."""
    small = RNG.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3)).astype(np.uint8)
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large.convert(mode))


def make_model() -> keras.Model:
    keras.utils.set_random_seed(2)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(8, 3, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("relu")(x))
    x = keras.layers.UnitNormalization()(keras.layers.Dense(DIMENSION)(x))
    return keras.Model(inputs, x)


PHOTOS = [
    encode(smooth(SIZE, SIZE)),
    encode(smooth(90, 61)),
    encode(smooth(200, 300), "JPEG", quality=90),
    encode(smooth(20, 50)),
    encode(smooth(64, 64, "L")),
    encode(smooth(40, 40), "BMP"),
]
TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6
ODD = [
    encode(smooth(60, 90), "JPEG", exif=TURNED),  # TensorFlow does not turn it
    encode(np.dstack([smooth(50, 50), np.full((50, 50), 80, np.uint8)])),  # nor show white below
    encode(smooth(50, 50), "WEBP"),  # nor read it at all
    encode(smooth(50, 50), "PNG", icc_profile=matrix_profile(SWAPPED)),  # nor its colours
    encode(smooth(50, 50), "JPEG")[:-2],  # which it would refuse
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "q?x [1] {a}*" / "model"  # no pattern, no URL
    model = make_model()
    export(model, folder)
    return model, folder


SHAPES = [(SIZE, SIZE), (90, 61), (61, 90), (33, 200), (20, 50), (300, 8), (130, 140), (300, 260)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "encoding",
    [
        {"kind": "PNG"},
        {"kind": "JPEG", "quality": 90},
        {"kind": "JPEG", "quality": 60, "subsampling": 0, "progressive": True},
    ],
)
def test_tensorflow_decodes_and_fits_a_photo_as_pillow_does(shape, encoding):
    """Also JPEG that is decoded at 1/2, 1/4 and 1/8."""
    content = encode(smooth(*shape), **encoding)
    found = decode_and_fit(tf.constant(content), SIZE).numpy()
    assert found.shape == (SIZE, SIZE, 3)
    assert np.abs(found - decode(content, SIZE).astype(np.float32)).max() <= 1


def test_every_form_gives_the_models_embeddings(exported):
    checks = check(*exported, [*ODD, *PHOTOS, b"broken"])
    assert [each.form for each in checks] == [
        KERAS,
        TFLITE,
        f"{SAVED_MODEL}, pixels",
        f"{SAVED_MODEL}, image_bytes",
    ]
    for each in checks:
        assert each.passed
        assert each.least_cosine > 0.995
    decoded = len(ODD) + len(PHOTOS)  # what cannot be decoded is left out
    assert [each.photos for each in checks] == [decoded, decoded, decoded, len(PHOTOS)]
    assert all(each.largest_difference <= 1e-4 for each in checks[:3])


def test_photos_of_which_none_can_be_decoded_are_told(exported):
    """The kind of fault: a user's data that end in an error of a library."""
    with pytest.raises(InputError, match=r"none of 2 photos can be decoded to check .* a larger"):
        check(*exported, [b"broken", b""])


def test_another_models_files_do_not_pass(exported):
    model, folder = exported
    other = keras.models.clone_model(model)
    other.set_weights([RNG.permutation(w.ravel()).reshape(w.shape) for w in model.get_weights()])
    assert not any(each.passed for each in check(other, folder, PHOTOS))


def test_tensorflow_serving_finds_a_signature_of_encoded_photos(exported):
    """Served models lie in a folder named by a number; names ending in _bytes travel as base64."""
    model, folder = exported
    serve = exporting._signatures(folder / SAVED_MODEL / "1")["serving_default"]
    [(name, spec)] = serve.structured_input_signature[1].items()
    assert (name, spec.dtype, spec.shape.as_list()) == ("image_bytes", tf.string, [None])
    found = serve(image_bytes=tf.constant(PHOTOS[:1]))["embedding"].numpy()
    pixels = decode(PHOTOS[0], SIZE)[None].astype(np.float32)
    np.testing.assert_allclose(found, model.predict(pixels, verbose=0), atol=1e-4)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)


def test_the_phones_file_of_a_squeezenet_is_of_about_six_megabytes(tmp_path):
    network = network_to_train("squeezenet_1.1", "", 10, 64, -1, 0)
    path = tmp_path / TFLITE
    path.write_bytes(exporting._to_tflite(network))
    parameters = sum(int(np.prod(weight.shape)) for weight in network.get_weights())
    assert path.stat().st_size == pytest.approx(4 * parameters, rel=0.05)


def test_the_manifest_tells_what_is_there(exported):
    model, folder = exported
    about = describe(folder, "devise-v1-0123", model, [Check("form", 3, 0.0, 1.0, True)])
    about = json.loads(json.dumps(about))
    assert (about["model_id"], about["image_size"], about["dimension"]) == ("devise-v1-0123", 32, 6)
    assert {KERAS, TFLITE, f"{SAVED_MODEL}/1/saved_model.pb"} <= set(about["files"])
    assert about["files"][KERAS]["bytes"] == (folder / KERAS).stat().st_size
    assert about["checks"][0]["photos"] == 3


def test_the_manifest_says_which_photos_the_signature_of_bytes_takes(exported):
    """The kind of fault: a limit of an interface that only its code tells.

    A phone's photo is turned by EXIF, of which TensorFlow knows nothing.
    """
    model, folder = exported
    signatures = describe(folder, "devise-v1-0123", model, [])["signatures"]
    served = exporting._signatures(folder / SAVED_MODEL / "1")
    assert signatures.keys() == served.keys()
    for word in ("upright", "opaque", "JPEG, PNG, GIF or BMP", "sRGB", "EXIF"):
        assert word in signatures["serving_default"]
    turned, upright = ODD[0], decode(ODD[0], SIZE)
    found = decode_and_fit(tf.constant(turned), SIZE).numpy()
    assert np.abs(found - upright).mean() > 10
    assert np.abs(np.rot90(found, -1) - upright).max() <= 1
