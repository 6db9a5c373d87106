"""The residual network for CIFAR's photos of 32 x 32, of any depth 6n + 2.

A 3x3 convolution is followed by three stages of n blocks of two 3x3 convolutions, with 16, 32 and
64 filters. The second and the third stage halve the map. Shortcuts are of option A, which has no
parameters.

Source: He et al. (2016), "Deep residual learning for image recognition", section 4.2.
"""

import keras

from devise_lib.vision.networks.pixel_scaling import scale_pixels

STAGES = (16, 32, 64)  # filters


def cifar_resnet_map(photos: keras.KerasTensor, depth: int) -> keras.KerasTensor:
    """Builds the network up to its last activation map.

    Args:
        photos: (n, size, size, 3), RGB in [0, 255]; size is 32 in the paper.
        depth: the number of layers with weights, 6n + 2: the first one, 6n in blocks, and the
            softmax that the caller adds.

    Returns:
        (n, size / 4, size / 4, 64): (n, 8, 8, 64) in the paper. Layers are named
        `stage<1..3>_block<1..n>_` and conv1, bn1, relu1, conv2, bn2, add, out.
    """
    x = _convolve(scale_pixels(photos, "-1..1"), STAGES[0], 1, "first_conv")
    x = keras.layers.BatchNormalization(momentum=0.9, name="first_bn")(x)
    x = keras.layers.Activation("relu", name="first_out")(x)
    for stage, filters in enumerate(STAGES, start=1):
        for block in range(1, (depth - 2) // 6 + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(x, filters, stride, f"stage{stage}_block{block}")
    return x


def _block(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    layers = keras.layers
    shortcut = x if stride == 1 else _halved(x, name)
    x = _convolve(x, filters, stride, f"{name}_conv1")
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn1")(x)
    x = layers.Activation("relu", name=f"{name}_relu1")(x)
    x = _convolve(x, filters, 1, f"{name}_conv2")
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn2")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _convolve(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    """Applies a 3x3 convolution, padded by a pixel on every side, so strides match the
    shortcut's.
    """
    if stride > 1:  # Keras itself would pad the right and the bottom side only
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return keras.layers.Conv2D(
        filters,
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _halved(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Returns the shortcut of option A where channels double: every other pixel, and zero channels.

    The zeros are the channels times 0, as in fb.resnet.torch. Such plain layers load in safe mode
    and convert to TFLite.
    """
    layers = keras.layers
    x = layers.AveragePooling2D(1, strides=2, name=f"{name}_every_other")(x)
    zeros = layers.Rescaling(0.0, name=f"{name}_zeros")(x)
    return layers.Concatenate(name=f"{name}_shortcut")([x, zeros])
