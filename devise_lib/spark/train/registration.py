"""The registration of image encoders that were made elsewhere."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from devise_lib import __version__, model_store, tracking
from devise_lib.config.training import RegisterModel
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.storage.copies import fetched, fetched_folder
from devise_lib.storage.files import file_sha256
from devise_lib.storage.stores import store_files
from devise_lib.training.model import requirements
from devise_lib.vision.images.decode import Refusal, decode
from devise_lib.vision.networks.encoder_form import EncoderSettings, ImageEncoder
from devise_lib.vision.networks.frozen_graph import module_of_bytes
from devise_lib.vision.networks.image_encoder import open_encoder
from devise_lib.vision.networks.inference import Network

MADE_FROM = "made_from"  # the tag of a version that identifies all that it was made from
ALIKE = 0.95  # mean cosine of different photos above which the scaling may be wrong


def read_encoder(config: RegisterModel) -> tuple[ImageEncoder, str]:
    """Return the encoder of a configuration, and the SHA-256 of its files.

    Raises:
        InputError: it cannot be used.
    """
    settings = EncoderSettings(config.image_size, config.scaling, config.output, config.signature)
    status = store_files().status(config.source)
    fetch = fetched_folder if status is None or status.is_folder else fetched
    with fetch(config.source) as path:
        return open_encoder(path, settings), _digest(path)


def _digest(path: Path) -> str:
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path)} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def register_encoder(
    config: RegisterModel, encoder: ImageEncoder, sha256: str, words_id: str
) -> tracking.RegisteredModel:
    """Register an encoder, unless a version of the same name was made from the same.

    The version is not the champion yet.

    Args:
        config: of the job.
        encoder: what it names.
        sha256: of the encoder's files.
        words_id: of the texts that come with it; "" for none.

    Raises:
        InputError: the name is that of a model that was trained here.
    """
    facts = {
        "source_sha256": sha256,
        "image_size": str(encoder.image_size),
        "dimension": str(encoder.dimension),
        "scaling": encoder.scaling,
        "output": config.output,
        "signature": config.signature,
        tracking.WORDS_ID: words_id,
    }
    made_from = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    for version in tracking.versions_of(config.model_name):
        found = tracking.registered(version)
        if found.is_devise:
            raise InputError(
                f"{config.model_name} is the name of a model that was trained here: give "
                "register_model.model_name another one"
            )
        if version.tags.get(MADE_FROM) == made_from:
            print_line(f"{config.name}  {found.model_id} is the same: no new version")
            return found
    tags = {
        **facts,
        MADE_FROM: made_from,
        tracking.REGISTERED_BY: tracking.REGISTER_MODEL,
        "source": config.source,
        "texts": config.texts,
        "devise_lib": __version__,
    }
    example = np.zeros((1, encoder.image_size, encoder.image_size, 3), np.float32)
    if encoder.is_keras:
        return model_store.register_keras(
            encoder.network, config.model_name, example, requirements(), lambda _: None, tags
        )
    graph = encoder.network_file
    return model_store.register_graph(
        module_of_bytes(graph), graph, config.model_name, example, requirements(), tags
    )


def mean_cosine(encoder: ImageEncoder, contents: Sequence[bytes]) -> float | None:
    """Return the mean cosine of the vectors of different photos; None if fewer than two decode.

    Args:
        encoder: gives the vectors.
        contents: encoded photos, a few.
    """
    decoded = (decode(content, encoder.image_size) for content in contents)
    pixels = [each for each in decoded if not isinstance(each, Refusal)]
    if len(pixels) < 2:
        return None
    [vectors] = Network(encoder.network_file)(np.stack(pixels))
    cosines = vectors @ vectors.T
    return float(cosines[~np.eye(len(vectors), dtype=bool)].mean())
