"""Training of the projection and of the end of the backbone, and models made elsewhere."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from devise_lib import training_choices
from devise_lib.backbone_catalog import Scaling
from devise_lib.config.types import (
    GivenPath,
    Hosts,
    JobConfig,
    ModelJobConfig,
    ModelName,
    OneOrMore,
    OptionalPath,
    PositiveInt,
    Share,
)


class TrainDevise(JobConfig):
    """Trains the projection on FEATURES and LABELS, and registers it with its control.

    Several starts, pulls (l2_sp), margins, dropouts and learning rates may be given. The job takes
    the first ones that are as good as the best on labels held out (validation_folds), and the epoch
    at which they were.
    """

    name = "train_devise"
    needs = ("embed_labels", "train_backbone", "extract_features")
    model_name: ModelName = "devise"
    """The name under which MLflow's registry gets the model."""
    ranks: PositiveInt = 2
    """The number of Horovod ranks, which must not exceed the task slots."""
    hosts: Hosts = ""
    """The machines that start the ranks, as horovodrun takes them: `gpu1:4,gpu2:4`. "" starts them
    as Spark's tasks."""
    readers: Annotated[int, Field(ge=0)] = 0
    """The number of readers of FEATURES, which the ranks share. 0 means 1 or 2 per rank. It must be
    a multiple of `ranks`."""
    cache_gib: Annotated[float, Field(ge=0.0)] = 8.0
    """The most GiB of local disk with which a rank caches decoded features. 0 caches none."""
    seeds: PositiveInt = 1
    """The number of trainings, each from a seed of its own. The first one's model is registered."""
    epochs: PositiveInt = 20
    """The most passes over FEATURES. Labels held out may choose fewer."""
    patience: PositiveInt = 3
    """The number of epochs without a better score after which a trial ends."""
    batch_size: PositiveInt = 256
    """The number of features per step, over all ranks together. A multiple of the readers."""
    optimizer: training_choices.Optimizer = "adagrad"
    """The optimizer. The paper has "adagrad"."""
    schedule: training_choices.Schedule = "constant"
    """How the learning rate changes. "one_cycle" rises from a 25th of it in the first three tenths
    of the steps, then falls to almost 0."""
    learning_rate: OneOrMore[Annotated[float, Field(ge=0.0)]] = (0.003,)
    """The greatest learning rate, or several to choose from. 0 finds it by a range test."""
    loss: training_choices.Loss = "rank"
    """The loss: "rank" is the paper's hinge rank loss, "cosine" is 1 less the cosine.
    "rank_and_euclidean" adds the distance to the right label to the rank loss."""
    margin: OneOrMore[Annotated[float, Field(gt=0.0)]] = (0.1,)
    """The margin by which the right label must lead, in the unit of a score. The paper has 0.1."""
    negative_mining: training_choices.NegativeMining = "all"
    """The wrong labels that count: all within the margin, one of them drawn, or the hardest. The
    paper has "one"."""
    negatives: training_choices.Negatives = "seen"
    """Where wrong labels come from: all seen labels, or those with training photos."""
    normalize: bool = True
    """Whether the loss scales projected features to unit norm first. The paper does not."""
    dropout: OneOrMore[Annotated[float, Field(ge=0.0, lt=1.0)]] = (0.5,)
    """The share of the features that a step leaves out at random."""
    hidden: Annotated[int, Field(ge=0)] = 0
    """The number of ReLU units between features and words. 0 gives a linear map, as the paper."""
    start: OneOrMore[training_choices.Start] = ("softmax", "random")
    """Where the linear map starts: where the backbone's softmax would put it, or at random."""
    start_strength: Annotated[float, Field(gt=0.0)] = 1.0
    """The regularization of the ridge regression that gives the start "softmax"."""
    l2_sp: OneOrMore[Annotated[float, Field(ge=0.0)]] = (3.0,)
    """The strength of the pull back to the start "softmax" (L2-SP). 0 does not pull."""
    folds: Annotated[int, Field(ge=0)] = 0
    """The number of folds on which settings are tried. 0 means all `validation_folds`."""
    validation_photos: PositiveInt = 5_000
    """The most photos, of labels held out and of others, that score a fold."""
    checkpoint_steps: PositiveInt = 1_000
    """The steps between two checkpoints, from which a killed training goes on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        readers = self.readers or self.ranks
        if readers % self.ranks or self.batch_size % readers:
            raise ValueError(
                f"want readers, a multiple of {self.ranks} ranks, and batch_size, a multiple of "
                f"them; got {readers} readers, batch_size {self.batch_size}"
            )
        if self.hidden and "softmax" in self.start:
            raise ValueError('hidden units start at random: give start = "random" with them')
        return self


class FineTune(ModelJobConfig):
    """Trains the model and the last layers of its backbone on PHOTOS, and keeps a better one.

    The labels of one fold tell whether it is better, and after how many epochs to stop.
    """

    name = "fine_tune"
    needs = ("ingest_photos", "embed_labels", "train_backbone", "extract_features", "train_devise")
    opt_in = True
    ranks: PositiveInt = 2
    """The number of Horovod ranks, which must not exceed the task slots."""
    hosts: Hosts = ""
    """The machines that start the ranks, as horovodrun takes them: `gpu1:4,gpu2:4`. "" starts them
    as Spark's tasks."""
    layers: PositiveInt = 2
    """The number of the backbone's layers that are trained: the last ones that have weights."""
    epochs: PositiveInt = 5
    """The most passes over the photos."""
    patience: PositiveInt = 2
    """The number of epochs without a better score after which the trial ends."""
    batch_size: PositiveInt = 64
    """The number of photos per step, over all ranks together. A multiple of the ranks."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    """The learning rate of Adam, which stays constant."""
    flip: bool = True
    """Whether half of the photos are mirrored."""
    translate: Share = 0.1
    """The most that a photo moves along a side, as a share of the side."""
    crop: Share = 0.15
    """The most that is cut off a photo, as a share of each side."""
    colour: Share = 0.2
    """The most that brightness, contrast and saturation change, as a share."""
    validation_photos: PositiveInt = 1_000
    """The most photos, of labels held out and of others, that score an epoch."""
    checkpoint_steps: PositiveInt = 500
    """The steps between two checkpoints, from which a killed training goes on."""
    max_records_per_file: PositiveInt = 1_000
    """The most rows of a file of the FEATURES that the job writes."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_size % self.ranks:
            raise ValueError(
                f"batch_size is {self.batch_size}, want a multiple of {self.ranks} ranks"
            )
        return self


class RegisterModel(JobConfig):
    """Registers an image encoder that was made elsewhere, so that photos are embedded with it.

    The encoder maps photos to vectors. It may come with texts in the same space.
    """

    name = "register_model"
    opt_in = True
    file_keys = ("source",)
    source: GivenPath
    """The encoder: a .keras file of Keras 3, or the folder of a SavedModel, which has
    saved_model.pb. Take one of an origin that you trust: a SavedModel may read and write files."""
    model_name: ModelName
    """The name under which MLflow's registry gets the model. Other jobs take it as `model_name`. It
    is not the name of a model that was trained here."""
    image_size: Annotated[int, Field(ge=0, le=4096)] = 0
    """The side of the photos that the encoder takes, in pixels. 0 reads it from the encoder."""
    scaling: Scaling | None = None
    """What the encoder's first layer takes: RGB in "0..255", "0..1" or "-1..1"; RGB normalised as
    for "imagenet" or "clip"; or BGR less ImageNet's mean ("caffe"). Not given: it is known of Keras
    files with layers for it (Rescaling, Normalization), and of those of keras.applications."""
    output: str = ""
    """What gives the vectors: a layer of a Keras file, or an output of a SavedModel. "" takes the
    only output."""
    signature: str = ""
    """The signature of a SavedModel that takes photos as numbers. "" is `serving_default`."""
    texts: OptionalPath = ""
    """A table of texts and their vectors in the encoder's space, such as the names of labels by the
    text tower of CLIP: a path or URI of a Delta table or Parquet files, with the columns `text` and
    `vector`. "" gives the model no words."""
