"""A network of four convolutions that learns simple photos from scratch in a minute."""

import keras

from devise_lib.vision.networks.pixel_scaling import scale_pixels


def small_cnn_map(photos: keras.KerasTensor) -> keras.KerasTensor:
    """Builds the network up to its last activation map, (n, h, w, 160).

    160 features are enough to hold a vector of 64 to 100 numbers, and few enough to train on 2
    cores.

    Args:
        photos: (n, size, size, 3), RGB in [0, 255].
    """
    layers = keras.layers
    x = scale_pixels(photos, "-1..1")
    for number, (filters, stride, pool) in enumerate(
        ((32, 2, 1), (64, 1, 2), (96, 1, 2), (160, 1, 1)), start=1
    ):
        x = layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False, name=f"conv{number}"
        )(x)
        # a run of a minute has few steps, so the moving averages must follow fast
        x = layers.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        x = layers.Activation("relu", name=f"relu{number}")(x)
        x = layers.MaxPooling2D(pool, name=f"pool{number}")(x) if pool > 1 else x
    return x
