"""The configuration: one frozen model a job, the only place where a key is written.

Each class below is one table of a configuration file, named after its job. The keys of
`JobConfig` (devise_lib.config_types) stand at the top of the file and reach every job.
`devise_lib.config_file` reads files; the jobs of words are in `devise_lib.config_words`, those of
the backbone in `devise_lib.config_backbone`, and those that bring photos into the tables and into
the space of words in `devise_lib.config_photos`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from devise_lib.config_backbone import ExtractFeatures, TrainBackbone
from devise_lib.config_photos import EmbedPhotos, IngestPhotos
from devise_lib.config_types import (
    Candidates,
    Hosts,
    JobConfig,
    ModelJobConfig,
    ModelName,
    OneOrMore,
    OptionalPath,
    PositiveInt,
    Several,
    Share,
)
from devise_lib.config_words import EmbedLabels, ParseWikipedia, PrepareCorpus, TrainWord2vec


class MakeSample(JobConfig):
    """Generate the embedded sample: a dump, photos and labels."""

    name = "make_sample"
    opt_in = True
    folder: Annotated[str, Field(validate_default=True)] = "{work_dir}/sample"
    articles: Annotated[int, Field(ge=100)] = 2_000
    photos: Annotated[int, Field(ge=200)] = 3_000

    @field_validator("folder")
    @classmethod
    def _in_work_dir(cls, folder: str, info: ValidationInfo) -> str:
        return folder.replace("{work_dir}", info.data.get("work_dir", ""))  # of the default


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
    violators: Literal["all", "one", "hardest"] = "all"
    negatives: Literal["seen", "training"] = "seen"  # wrong labels: all seen, or those with photos
    normalize: bool = True  # scale u to unit norm inside the loss; the paper does not
    dropout: OneOrMore[Annotated[float, Field(ge=0.0, lt=1.0)]] = (0.5,)  # of the features
    hidden: Annotated[int, Field(ge=0)] = 0  # ReLU units between features and words; 0: linear
    # Where the linear map starts: as the backbone's softmax sees its classes, or at random.
    start: OneOrMore[Literal["softmax", "random"]] = ("softmax", "random")
    start_strength: Annotated[float, Field(gt=0.0)] = 1.0  # of its ridge regression
    pull: OneOrMore[Annotated[float, Field(ge=0.0)]] = (3.0,)  # back to the softmax's start
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


class ExportModel(ModelJobConfig):
    """The model to a Keras file, a SavedModel and a TFLite file, checked on some of PHOTOS."""

    name = "export_model"
    needs = ("ingest_photos", "train_devise")
    opt_in = True
    photos: PositiveInt = 100  # that each form is checked with


class ExportProjector(ModelJobConfig):
    """Some of EMBEDDINGS, with thumbnails, and LABELS to files of TensorBoard's projector."""

    name = "export_projector"
    needs = ("ingest_photos", "embed_labels", "embed_photos")
    opt_in = True
    photos: Annotated[int, Field(ge=1, le=10_000)] = 1_000  # with their thumbnails in one image


class BuildIndex(ModelJobConfig):
    """EMBEDDINGS at a version to an index bundle."""

    name = "build_index"
    needs = ("embed_photos",)
    nlist: Annotated[int, Field(ge=0)] = 0  # inverted lists; 0: chosen from the number of vectors
    train_size: PositiveInt = 100_000  # vectors sampled for the centroids
    recall_target: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    k: PositiveInt = 10
    queries: PositiveInt = 500  # held-out queries that recall is measured with
    shard_rows: PositiveInt = 200_000  # vectors that a task adds, about; it holds them in memory


class BuildSignatures(ModelJobConfig):
    """EMBEDDINGS to SIGNATURES by random hyperplanes."""

    name = "build_signatures"
    needs = ("embed_photos",)
    bits: Annotated[int, Field(ge=1, le=62)] = 12  # hyperplanes a table
    tables: PositiveInt = 8


class FindNeighbours(ModelJobConfig):
    """EMBEDDINGS and the index or SIGNATURES to NEIGHBOURS."""

    name = "find_neighbours"
    needs = ("build_index", "build_signatures")
    via: Literal["index", "signatures"] = "index"
    k: PositiveInt = 10
    max_bucket: PositiveInt = 1_000  # with signatures: photos of one bucket that are compared


class PredictLabels(ModelJobConfig):
    """EMBEDDINGS and LABELS to PREDICTIONS."""

    name = "predict_labels"
    needs = ("embed_labels", "embed_photos")
    k: PositiveInt = 5
    candidates: Literal["all", "seen", "unseen"] = "all"


class Evaluate(ModelJobConfig):
    """The model, its controls and the closed-form baselines to METRICS.

    Of several strengths and numbers of classes, each method takes the first that do best on labels
    held out (validation_folds), or as good as the best.
    """

    name = "evaluate"
    needs = ("embed_labels", "extract_features", "train_devise")
    file_keys = ("hierarchy", "candidates")
    k: OneOrMore[PositiveInt] = (1, 2, 5, 10, 20)
    # A file of is-a edges, a parent and a child per line: gives hierarchical precision.
    hierarchy: OptionalPath = ""
    candidates: tuple[Candidates, ...] = ()  # beside each label set's seen, unseen and all
    strengths: OneOrMore[Annotated[float, Field(gt=0.0)]] = (1e5, 1e4, 1e3, 1e2, 10.0, 1.0)
    conse_t: OneOrMore[PositiveInt] = (10, 1, 100)  # classes that ConSE takes a photo
    bank: PositiveInt = 10_000  # training features that CSLS measures labels with, at the most
    folds: Annotated[int, Field(ge=0)] = 0  # that settings are tried on; 0: all validation_folds
    validation_photos: PositiveInt = 5_000  # of labels held out and others, a fold, at the most


class Report(ModelJobConfig):
    """Every table to one HTML page."""

    name = "report"
    needs = ("find_neighbours", "predict_labels", "evaluate")
    queries: Several[str] = ()  # text queries; default: some of the unseen labels
    photos: PositiveInt = 12  # shown in each gallery
    map_photos: PositiveInt = 400  # points of the map


JOBS: tuple[type[JobConfig], ...] = (
    MakeSample,
    ParseWikipedia,
    PrepareCorpus,
    TrainWord2vec,
    EmbedLabels,
    IngestPhotos,
    TrainBackbone,
    ExtractFeatures,
    TrainDevise,
    FineTune,
    ExportModel,
    EmbedPhotos,
    ExportProjector,
    BuildIndex,
    BuildSignatures,
    FindNeighbours,
    PredictLabels,
    Evaluate,
    Report,
)  # in the order of the flow
