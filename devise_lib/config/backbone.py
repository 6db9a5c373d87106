"""The configuration of the jobs that train the backbone and take features from it."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from devise_lib.backbone_catalog import IMAGENET, network_type
from devise_lib.config.types import (
    Hosts,
    JobConfig,
    ModelJobConfig,
    NetworkName,
    OptionalPath,
    PositiveInt,
)


class TrainBackbone(JobConfig):
    """Makes the backbone, a softmax CNN: trains it on PHOTOS of seen labels, or takes a given one.

    The training starts from `weights` or at random. With `weights` and `classes` the network is
    taken as it is.
    """

    name = "train_backbone"
    needs = ("ingest_photos", "embed_labels")
    file_keys = ("weights", "classes")
    backbone: NetworkName = "small_cnn"
    """The network, by its name in the list of networks."""
    weights: OptionalPath = ""
    """The weights to start from: a file (HDF5 of Keras 2 or 3, or .keras), or "imagenet". Keras
    downloads those of "imagenet". With "" the weights are random at first."""
    classes: OptionalPath = ""
    """The classes of the softmax of `weights`. With this file nothing is trained. It is JSON, {"0":
    [label, name], ...}, or a backbone.json of checkpoints/train_backbone."""
    trainable_layers: Annotated[int, Field(ge=-1)] = -1
    """How many of the last layers with weights are trained besides the softmax. -1 means all."""
    image_size: Annotated[int, Field(ge=0, le=1024)] = 0
    """The side of the photos that the network takes, in pixels. 0 means the network's own."""
    feature_layer: Annotated[str, Field(min_length=1)] = "pooled"
    """The layer that gives the features: "pooled", "map" (before the pooling), or its name."""
    ranks: PositiveInt = 2
    """The number of Horovod ranks, which must not exceed the task slots."""
    hosts: Hosts = ""
    """The machines that start the ranks, as horovodrun takes them: `gpu1:4,gpu2:4`. "" starts them
    as Spark's tasks."""
    epochs: PositiveInt = 10
    """The number of passes over the photos."""
    batch_size: PositiveInt = 64
    """The number of photos per step, over all ranks together. A multiple of the ranks."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 3e-3
    """The learning rate."""
    checkpoint_steps: PositiveInt = 1_000
    """The steps between two checkpoints, from which a killed training goes on."""

    @property
    def input_size(self) -> int:
        """Side of the photos that the network takes, pixels."""
        return self.image_size or network_type(self.backbone).image_size

    def input_files(self) -> dict[str, list[str]]:
        """Without the weights that are no file."""
        files = super().input_files()
        return files | {"weights": [path for path in files["weights"] if path != IMAGENET]}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        network, size = network_type(self.backbone), self.input_size
        if network.sized and size != network.image_size:
            yield f"image_size is {size}: {network.name} wants {network.image_size}"
        if size < network.min_size:
            yield f"image_size is {size}: {network.name} wants {network.min_size} at least"
        if self.weights == IMAGENET and not network.application:
            yield f"Keras has no ImageNet weights of {network.name}: give `weights` a file"
        if self.classes and not self.weights:
            yield "`classes` are those of given weights: give `weights`, too, or leave them out"
        if self.classes and not network.dense_top:
            yield f"{network.name} is given without its classifier: leave out `classes`"
        if self.trainable_layers >= 0 and (self.classes or not self.weights):
            yield "trainable_layers is for training on from `weights`, without `classes`"
        if self.batch_size % self.ranks:
            yield f"batch_size is {self.batch_size}, want a multiple of {self.ranks} ranks"


class ExtractFeatures(ModelJobConfig):
    """Writes FEATURES of labelled PHOTOS: by the backbone, and by the model's own if it differs.

    With the rows of the champion's own network `evaluate` can measure the champion, whatever was
    trained since. It may be fine-tuned, or have kept its place beside a model on a new backbone.
    """

    name = "extract_features"
    needs = ("ingest_photos", "embed_labels", "train_backbone")
    batch_size: PositiveInt = 64
    """The number of photos per call of the network."""
    max_records_per_file: PositiveInt = 1_000
    """The most rows of a file of FEATURES. Each file is a row group, which a rank reads as one."""
