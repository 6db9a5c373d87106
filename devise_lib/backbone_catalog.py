"""The networks that a backbone may be, by name: what each wants, and where its code is.

A table without TensorFlow, so that a configuration is checked in no time;
`devise_lib.vision.networks.build` builds what it says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

IMAGENET = "imagenet"  # in place of a file of weights: those that Keras downloads
CIFAR_RESNET = "cifar_resnet_"


@dataclass(frozen=True)
class NetworkType:
    """A network as a configuration names it.

    Attributes:
        name: as in the configuration.
        image_size: its own side of a photo, pixels: what its authors trained it with.
        min_size: the smallest side at which each of its layers has a pixel to look at.
        sized: whether its name tells the size, so that no other is taken.
        application: its function in keras.applications; empty for a network that is written here.
        arguments: of that function.
        pixels: what its first layer takes, made from RGB in [0, 255] within the network: "unit" is
            [-1, 1], "bgr" is BGR less ImageNet's mean (as Caffe has it), "own" is as it comes: the
            network has layers of its own for it.
        hidden: units between the pooling and the classes of its ImageNet classifier; 0: none.
        dense_top: whether its own classifier is dense layers on the pooled features.
        depth: of a ResNet for CIFAR; else 0.
    """

    name: str
    image_size: int
    min_size: int = 32
    sized: bool = False
    application: str = ""
    arguments: Mapping[str, float] = field(default_factory=dict)
    pixels: Literal["unit", "bgr", "own"] = "unit"
    hidden: int = 0
    dense_top: bool = True
    depth: int = 0


def _mobilenets() -> list[NetworkType]:
    """MobileNet of Howard et al. (2017): each width and size that there are weights of."""
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
        NetworkType(f"efficientnet_b{n}", size, application=f"EfficientNetB{n}", pixels="own")
        for n, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ]


NETWORKS = {
    network.name: network
    for network in (
        NetworkType("small_cnn", 64),
        NetworkType("squeezenet_1.1", 227, pixels="bgr", dense_top=False),
        NetworkType("inception_v3", 299, min_size=75, application="InceptionV3"),
        NetworkType("resnet_50", 224, application="ResNet50", pixels="bgr"),
        *_mobilenets(),
        NetworkType("mobilenet_v2", 224, application="MobileNetV2"),
        NetworkType(
            "mobilenet_v3_small", 224, application="MobileNetV3Small", pixels="own", hidden=1024
        ),
        NetworkType(
            "mobilenet_v3_large", 224, application="MobileNetV3Large", pixels="own", hidden=1280
        ),
        *_efficientnets(),
    )
}


def network_type(name: str) -> NetworkType:
    """The network of a name; `cifar_resnet_<depth>` is made for any depth that there is.

    Raises:
        ValueError: no network is called so, or there is none of that depth.
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
