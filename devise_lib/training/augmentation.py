"""Random changes of photos (data augmentation), so that every epoch shows different ones."""

from dataclasses import dataclass

import keras


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much photos are changed.

    Attributes:
        flip: mirror half of the photos.
        translate: the largest shift along each side, as a share of the side.
        crop: the largest crop, as a share of each side; the rest is enlarged.
        colour: the largest change of brightness, contrast and saturation, as a share.
    """

    flip: bool = True
    translate: float = 0.1
    crop: float = 0.15
    colour: float = 0.2


def make_augmentation(settings: Augmentation, image_size: int, seed: int) -> keras.Sequential:
    """Builds a network that changes photos (n, size, size, 3), RGB in [0, 255], differently at each
    call.

    Pixels that come in from outside repeat the edge of the photo.

    Source: Frome et al., "DeViSE" (2013), section 3.2, for flips, crops and translations. The
    changes of colour are this project's own.
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
        # Keras multiplies the saturation by f / (1 - f): these f give 1 - reach and 1 + reach.
        saturation = ((1 - reach) / (2 - reach), (1 + reach) / (2 + reach))
        # Its value range limits saturations, which are in [0, 1] for any photo.
        stack.append(layers.RandomSaturation(saturation, value_range=(0, 1), seed=seed + 5))
    return keras.Sequential([*stack, layers.Identity()])  # the stack may be empty otherwise
