"""SqueezeNet 1.1 up to its last fire module.

Version 1.1 of its authors (github.com/forresti/SqueezeNet) has 3x3 filters instead of 7x7 in the
first convolution, and pools earlier. Layers are named as in the models of Caffe and Keras 2, with
"_" for "/". Pooling leaves out a last row that does not fit, as Keras 2 does; Caffe keeps it.

The original classifier cannot be used, because it is no dense layer on pooled features: `conv10`, a
1x1 convolution to one map per class, is rectified and only then averaged. The features here are the
average of `fire9`, and a new dense softmax follows.

Source: Iandola et al. (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters",
figure 1 and table 1.
"""

import keras

from devise_lib.vision.networks.pixel_scaling import scale_pixels

# Squeeze and expand filters of each fire module.
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128)} | {
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}
POOLED_AFTER = (3, 5)


def squeezenet_map(photos: keras.KerasTensor) -> keras.KerasTensor:
    """Builds the network up to the map of fire9, (n, h, w, 512).

    It has 722,496 parameters. The dropout of fire9 acts during training only.

    Args:
        photos: (n, size, size, 3), RGB in [0, 255].
    """
    layers = keras.layers
    x = layers.Conv2D(64, 3, strides=2, name="conv1")(scale_pixels(photos, "caffe"))
    x = layers.Activation("relu", name="relu_conv1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for number, (squeeze, expand) in FIRES.items():
        x = _fire(x, number, squeeze, expand)
        if number in POOLED_AFTER:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    return layers.Dropout(0.5, name="drop9")(x)


def _fire(x: keras.KerasTensor, number: int, squeeze: int, expand: int) -> keras.KerasTensor:
    """Applies a fire module: few channels, then 1x1 and 3x3 filters in parallel, 2 * expand
    channels.
    """
    layers = keras.layers

    def convolve(x: keras.KerasTensor, name: str, filters: int, size: int) -> keras.KerasTensor:
        x = layers.Conv2D(filters, size, padding="same", name=f"fire{number}_{name}")(x)
        return layers.Activation("relu", name=f"fire{number}_relu_{name}")(x)

    x = convolve(x, "squeeze1x1", squeeze, 1)
    sides = [convolve(x, "expand1x1", expand, 1), convolve(x, "expand3x3", expand, 3)]
    return layers.Concatenate(name=f"fire{number}_concat")(sides)
