"""The catalog of networks for backbones: their names, their inputs, and where their code is.

The catalog does not import TensorFlow, so a configuration is checked at once.
`devise_lib.vision.networks.build` builds the networks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

IMAGENET = "imagenet"  # instead of a file of weights: the ones that Keras downloads
CIFAR_RESNET = "cifar_resnet_"
# What the first layer of a network takes: RGB in a range; RGB in [0, 1] less the mean and over the
# standard deviation of ImageNet's or CLIP's photos; or BGR in [0, 255] less ImageNet's mean.
Scaling = Literal["0..255", "0..1", "-1..1", "imagenet", "clip", "caffe"]


@dataclass(frozen=True)
class NetworkType:
    """A network of the catalog.

    Attributes:
        name: as in the configuration.
        image_size: the side of a photo in pixels for which its authors trained it.
        min_size: the smallest side in pixels at which each of its layers still has a pixel.
        sized: whether its name includes the size, so that no other size is allowed.
        application: its function in keras.applications; "" for a network that is built here.
        arguments: of that function.
        scaling: the input of its first layer, into which the network itself converts RGB in [0,
            255]; "0..255" for a network that has its own layers for it.
        hidden: units between the pooling and the classes of its ImageNet classifier; 0 for none.
        dense_top: whether its own classifier consists of dense layers on the pooled features.
        depth: of a ResNet for CIFAR; 0 for others.
    """

    name: str
    image_size: int
    min_size: int = 32
    sized: bool = False
    application: str = ""
    arguments: Mapping[str, float] = field(default_factory=dict)
    scaling: Scaling = "-1..1"
    hidden: int = 0
    dense_top: bool = True
    depth: int = 0


def _mobilenets() -> list[NetworkType]:
    """MobileNet of Howard et al. (2017), in each width and size that has published weights."""
    return [
        NetworkType(
            f"mobilenet_{width:.2f}_{size}",
            size,
            sized=True,
            application="MobileNet",
            arguments={"alpha": width},
        )
        for width in (0.25, 0.5, 0.75, 1.0)
        for size in (128, 160, 192, 224)
    ]


def _efficientnets() -> list[NetworkType]:
    """EfficientNet-B0 to B7 of Tan and Le (2019)."""
    return [
        NetworkType(f"efficientnet_b{n}", size, application=f"EfficientNetB{n}", scaling="0..255")
        for n, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ]


NETWORKS = {
    network.name: network
    for network in (
        NetworkType("small_cnn", 64),
        NetworkType("squeezenet_1.1", 227, scaling="caffe", dense_top=False),
        NetworkType("inception_v3", 299, min_size=75, application="InceptionV3"),
        NetworkType("resnet_50", 224, application="ResNet50", scaling="caffe"),
        *_mobilenets(),
        NetworkType("mobilenet_v2", 224, application="MobileNetV2"),
        NetworkType(
            "mobilenet_v3_small", 224, application="MobileNetV3Small", scaling="0..255", hidden=1024
        ),
        NetworkType(
            "mobilenet_v3_large", 224, application="MobileNetV3Large", scaling="0..255", hidden=1280
        ),
        *_efficientnets(),
    )
}


def network_type(name: str) -> NetworkType:
    """Returns the network of a name; `cifar_resnet_<depth>` is valid for any possible depth.

    Raises:
        ValueError: there is no network of that name, or none of that depth.
    """
    if number := re.fullmatch(CIFAR_RESNET + r"(\d+)", name):
        depth = int(number.group(1))
        if depth < 8 or depth % 6 != 2:
            raise ValueError(
                f"a CIFAR ResNet has 6n + 2 layers, such as 20, 32, 44, 56 or 110, not {depth}"
            )
        return NetworkType(name, 32, depth=depth)
    if name not in NETWORKS:
        known = [*NETWORKS, CIFAR_RESNET + "110"]
        close = get_close_matches(name, known, n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"no such network{guess}; known are {', '.join(known)}")
    return NETWORKS[name]
