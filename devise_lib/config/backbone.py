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
    """A softmax CNN: trained here on PHOTOS of seen labels, from given weights or from random
    ones; or, with `weights` and `classes`, taken as it is.
    """

    name = "train_backbone"
    needs = ("ingest_photos", "embed_labels")
    file_keys = ("weights", "classes")
    backbone: NetworkName = "small_cnn"  # names: devise_lib/backbone_catalog.py
    # To start from: a file (HDF5 of Keras 2 or 3, .keras), or "imagenet": downloaded.
    weights: OptionalPath = ""
    # Of the weights' own softmax, JSON {"0": [label, name], ...} or a backbone.json of
    # checkpoints/train_backbone; given: nothing is trained.
    classes: OptionalPath = ""
    trainable_layers: Annotated[int, Field(ge=-1)] = -1  # of those with weights; -1: all of them
    image_size: Annotated[int, Field(ge=0, le=1024)] = 0  # 0: the network's own
    feature_layer: Annotated[str, Field(min_length=1)] = "pooled"  # "map", or a layer's name
    ranks: PositiveInt = 2
    hosts: Hosts = ""  # that the ranks run on, as horovodrun starts them; "": as Spark's tasks
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 64  # photos a step, over all ranks together
    learning_rate: Annotated[float, Field(gt=0.0)] = 3e-3
    checkpoint_steps: PositiveInt = 1_000  # between two states that a killed training goes on from

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
    """Labelled PHOTOS to FEATURES: of the backbone, and of a model that stands on another one.

    So the champion can be evaluated, whatever was trained since. It may be fine-tuned. It may also
    have kept its place beside a model on a new backbone.
    """

    name = "extract_features"
    needs = ("ingest_photos", "embed_labels", "train_backbone")
    batch_size: PositiveInt = 64
    max_records_per_file: PositiveInt = 1_000  # row groups that Petastorm deals to the ranks
