"""Training of the projection and of the end of the backbone."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from devise_lib.config.types import (
    Hosts,
    JobConfig,
    ModelJobConfig,
    ModelName,
    OneOrMore,
    PositiveInt,
    Share,
)


class TrainDevise(JobConfig):
    """FEATURES and LABELS to the projection, registered with its controls.

    Of several starts, pulls, margins, dropouts and learning rates, the first are taken that do best
    on labels held out (validation_folds), or as good as the best; and the epoch at which they did.
    """

    name = "train_devise"
    needs = ("embed_labels", "train_backbone", "extract_features")
    model_name: ModelName = "devise"
    ranks: PositiveInt = 2
    hosts: Hosts = ""  # that the ranks run on, as horovodrun starts them; "": as Spark's tasks
    readers: Annotated[int, Field(ge=0)] = 0  # of FEATURES, shared by the ranks; 0: 1 or 2 a rank
    cache_gib: Annotated[float, Field(ge=0.0)] = 8.0  # local disk a rank, for decoded features
    seeds: PositiveInt = 1  # trainings from as many seeds; the first one's model is registered
    epochs: PositiveInt = 20  # at the most, where there are labels held out
    patience: PositiveInt = 3  # epochs without a better score that end a trial
    batch_size: PositiveInt = 256  # features a step, over all ranks together
    optimizer: Literal["adagrad", "adam"] = "adagrad"
    schedule: Literal["constant", "one_cycle"] = "constant"
    learning_rate: OneOrMore[Annotated[float, Field(ge=0.0)]] = (0.003,)  # 0: by a range test
    loss: Literal["rank", "cosine", "rank_and_euclidean"] = "rank"
    margin: OneOrMore[Annotated[float, Field(gt=0.0)]] = (0.1,)  # the paper's
    # Wrong labels that count: all within the margin, one drawn (the paper's), or the hardest.
    negative_mining: Literal["all", "one", "hardest"] = "all"
    negatives: Literal["seen", "training"] = "seen"  # wrong labels: all seen, or those with photos
    normalize: bool = True  # scale u to unit norm inside the loss; the paper does not
    dropout: OneOrMore[Annotated[float, Field(ge=0.0, lt=1.0)]] = (0.5,)  # of the features
    hidden: Annotated[int, Field(ge=0)] = 0  # ReLU units between features and words; 0: linear
    # Where the linear map starts: as the backbone's softmax sees its classes, or at random.
    start: OneOrMore[Literal["softmax", "random"]] = ("softmax", "random")
    start_strength: Annotated[float, Field(gt=0.0)] = 1.0  # of its ridge regression
    l2_sp: OneOrMore[Annotated[float, Field(ge=0.0)]] = (3.0,)  # back to the softmax's start
    folds: Annotated[int, Field(ge=0)] = 0  # that settings are tried on; 0: all validation_folds
    validation_photos: PositiveInt = 5_000  # of labels held out and others, a fold, at the most
    checkpoint_steps: PositiveInt = 1_000  # between two states that a killed training goes on from

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
    """The model and the end of its backbone, trained on PHOTOS; kept where it does better.

    Better on the labels of one fold, which also tell the number of epochs.
    """

    name = "fine_tune"
    needs = ("ingest_photos", "embed_labels", "train_backbone", "extract_features", "train_devise")
    opt_in = True
    ranks: PositiveInt = 2
    hosts: Hosts = ""  # that the ranks run on, as horovodrun starts them; "": as Spark's tasks
    layers: PositiveInt = 2  # of the backbone, the last ones with weights, are trained
    epochs: PositiveInt = 5  # at the most
    patience: PositiveInt = 2  # epochs without a better score that end the trial
    batch_size: PositiveInt = 64  # photos a step, over all ranks together
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    flip: bool = True  # half of the photos are mirrored
    translate: Share = 0.1  # the most that a photo moves, of its side
    crop: Share = 0.15  # the most that is cut off, of its side
    colour: Share = 0.2  # the most that brightness, contrast and saturation change
    validation_photos: PositiveInt = 1_000  # of labels held out and others, at the most
    checkpoint_steps: PositiveInt = 500  # between two states that a killed training goes on from
    max_records_per_file: PositiveInt = 1_000  # of its FEATURES

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_size % self.ranks:
            raise ValueError(
                f"batch_size is {self.batch_size}, want a multiple of {self.ranks} ranks"
            )
        return self
