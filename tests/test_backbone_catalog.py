import subprocess
import sys

import pytest

from devise_lib.backbone_catalog import network_type


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("small_cnn", 64),
        ("squeezenet_1.1", 227),
        ("inception_v3", 299),
        ("resnet_50", 224),
        ("mobilenet_0.75_224", 224),
        ("mobilenet_1.00_128", 128),
        ("mobilenet_v2", 224),
        ("mobilenet_v3_large", 224),
        ("efficientnet_b0", 224),
        ("efficientnet_b7", 600),
        ("cifar_resnet_110", 32),
    ],
)
def test_a_name_gives_its_network(name, size):
    network = network_type(name)
    assert (network.name, network.image_size) == (name, size)
    assert network.min_size <= size


def test_a_cifar_resnet_may_have_any_depth_that_makes_whole_blocks():
    for n in range(1, 30):
        assert network_type(f"cifar_resnet_{6 * n + 2}").depth == 6 * n + 2


@pytest.mark.parametrize("depth", [0, 1, 2, 7, 9, 10, 11, 12, 13, 21, 108, 109, 111])
def test_a_cifar_resnet_of_another_depth_is_refused(depth):
    with pytest.raises(ValueError, match=rf"6n \+ 2 layers, such as 20, .* or 110, not {depth}$"):
        network_type(f"cifar_resnet_{depth}")


@pytest.mark.parametrize(
    ("name", "guess"), [("resnet50", "resnet_50"), ("mobilenet_0.75", "mobilenet_0.75_"), ("x", "")]
)
def test_another_name_is_told_with_those_that_there_are(name, guess):
    with pytest.raises(ValueError, match=r"no such network.*; known are small_cnn, .*") as raised:
        network_type(name)
    assert f"(did you mean '{guess}" in str(raised.value) or not guess


def test_a_configuration_is_read_without_tensorflow():
    code = "import sys, devise_lib.config.registry; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
