"""All jobs, in the order of the flow."""

from devise_lib.config.backbone import ExtractFeatures, TrainBackbone
from devise_lib.config.photos import EmbedPhotos, IngestPhotos
from devise_lib.config.reporting import Evaluate, ExportModel, ExportProjector, Report
from devise_lib.config.sample import MakeSample
from devise_lib.config.search import (
    BuildIndex,
    BuildSignatures,
    ExportSignatures,
    FindDuplicates,
    FindNeighbours,
    PredictLabels,
)
from devise_lib.config.suggestions import CompleteGalleries, RankPhotographers
from devise_lib.config.training import FineTune, RegisterModel, TrainDevise
from devise_lib.config.types import JobConfig
from devise_lib.config.words import EmbedLabels, ParseWikipedia, PrepareCorpus, TrainWord2vec

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
    RegisterModel,
    ExportModel,
    EmbedPhotos,
    ExportProjector,
    BuildIndex,
    BuildSignatures,
    FindNeighbours,
    FindDuplicates,
    ExportSignatures,
    PredictLabels,
    CompleteGalleries,
    RankPhotographers,
    Evaluate,
    Report,
)  # in the order of the flow
