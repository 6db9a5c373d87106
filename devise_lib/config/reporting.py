"""What is measured, shown and exported."""

from typing import Annotated

from pydantic import Field

from devise_lib.config.types import (
    Candidates,
    ModelJobConfig,
    OneOrMore,
    OptionalPath,
    PositiveInt,
    Several,
)


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
    regularization: OneOrMore[Annotated[float, Field(gt=0.0)]] = (1e5, 1e4, 1e3, 1e2, 10.0, 1.0)
    conse_top_t: OneOrMore[PositiveInt] = (10, 1, 100)  # classes that ConSE takes a photo
    csls_bank_size: PositiveInt = (
        10_000  # training features that CSLS measures labels with, at the most
    )
    folds: Annotated[int, Field(ge=0)] = 0  # that settings are tried on; 0: all validation_folds
    validation_photos: PositiveInt = 5_000  # of labels held out and others, a fold, at the most


class Report(ModelJobConfig):
    """Every table to one HTML page."""

    name = "report"
    needs = ("find_neighbours", "predict_labels", "evaluate")
    queries: Several[str] = ()  # text queries; default: some of the unseen labels
    photos: PositiveInt = 12  # shown in each gallery
    map_photos: PositiveInt = 400  # points of the map


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
