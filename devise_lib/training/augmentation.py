"""Photos changed at random, so that no epoch shows the network the same."""

from dataclasses import dataclass

import keras


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How photos are changed.

    Attributes:
        flip: mirror half of them.
        translate: the most that they move along each side, a share of it.
        crop: the most that is cut off, a share of each side; the rest is made larger.
        colour: the most that brightness, contrast and saturation change, a share.
    """

    flip: bool = True
    translate: float = 0.1
    crop: float = 0.15
    colour: float = 0.2


def make_augmentation(settings: Augmentation, image_size: int, seed: int) -> keras.Sequential:
    """A network of (n, size, size, 3) RGB in [0, 255] to the same, another draw at each call.

    What moves in from outside is the photo's edge. Source: Frome et al., "DeViSE" (2013), section
    3.2, for flips, crops and translations; the colours are ours.
    """
    layers = keras.layers
    stack: list[keras.layers.Layer] = [keras.Input((image_size, image_size, 3))]
    if settings.flip:
        stack.append(layers.RandomFlip("horizontal", seed=seed))
    if settings.translate:
        moves = settings.translate, settings.translate
        stack.append(layers.RandomTranslation(*moves, fill_mode="nearest", seed=seed + 1))
    if settings.crop:
        stack.append(layers.RandomZoom((-settings.crop, 0.0), fill_mode="nearest", seed=seed + 2))
    if settings.colour:
        span, reach = (0, 255), settings.colour
        stack.append(layers.RandomBrightness(reach, value_range=span, seed=seed + 3))
        stack.append(layers.RandomContrast(reach, value_range=span, seed=seed + 4))
        # Keras takes f for f / (1 - f) times the saturation: these are 1 - reach and 1 + reach.
        saturation = ((1 - reach) / (2 - reach), (1 + reach) / (2 + reach))
        # Its range is the one that saturations are cut to, whatever that of the photo.
        stack.append(layers.RandomSaturation(saturation, value_range=(0, 1), seed=seed + 5))
    return keras.Sequential([*stack, layers.Identity()])  # which an empty stack needs
