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
    """Measures the model beside its control and the closed-form baselines, and writes METRICS.

    Of several values of `regularization` and `conse_top_t` each method takes the first that is as
    good as the best on labels held out (validation_folds).
    """

    name = "evaluate"
    needs = ("embed_labels", "extract_features", "train_devise")
    file_keys = ("hierarchy", "candidates")
    k: OneOrMore[PositiveInt] = (1, 2, 5, 10, 20)
    """The lengths of the lists for hit@k and hierarchical precision@k."""
    hierarchy: OptionalPath = ""
    """A file of is-a edges, a parent and a child per line. It gives hierarchical precision."""
    candidates: tuple[Candidates, ...] = ()
    """Candidate sets beside those that each label set has: its seen, its unseen and all labels."""
    regularization: OneOrMore[Annotated[float, Field(gt=0.0)]] = (1e5, 1e4, 1e3, 1e2, 10.0, 1.0)
    """The strengths of the closed forms' regularization to choose from."""
    conse_top_t: OneOrMore[PositiveInt] = (10, 1, 100)
    """The numbers of classes to choose from that ConSE takes per photo (its T)."""
    csls_bank_size: PositiveInt = 10_000
    """The most training features with which CSLS measures how near a label comes to photos."""
    folds: Annotated[int, Field(ge=0)] = 0
    """The number of folds on which settings are tried. 0 means all `validation_folds`."""
    validation_photos: PositiveInt = 5_000
    """The most photos, of labels held out and of others, that score a fold."""
    search_photos: Annotated[int, Field(ge=0, le=20_000)] = 5_000
    """The most test photos on which the searches are measured: by text, by photo, by gallery and so
    on. The driver holds their features. 0 measures none."""


class Report(ModelJobConfig):
    """Shows what the tables hold on one HTML page."""

    name = "report"
    needs = ("find_neighbours", "predict_labels", "evaluate")
    queries: Annotated[Several[str], Field(max_length=12)] = ()
    """The texts for which the page shows the best photos. An empty list takes names of labels.
    Unseen labels come first."""
    photos: Annotated[int, Field(ge=1, le=48)] = 12
    """The number of photos in each gallery. The page stays below 2 MB, so pictures get smaller."""
    map_photos: Annotated[int, Field(ge=1, le=400)] = 400
    """The number of photos on the map. A reader of the page can also search among them."""
    core_hour_price: Annotated[float, Field(ge=0.0)] = 0.05
    """The price of a core for an hour, in any currency. The page estimates the cost of each job by
    it. 0 tells no cost."""


class ExportModel(ModelJobConfig):
    """Exports the model to a Keras file, a SavedModel and a TFLite file, and checks each."""

    name = "export_model"
    needs = ("ingest_photos", "train_devise")
    opt_in = True
    photos: PositiveInt = 100
    """The number of photos with which the job checks each form against the model."""


class ExportProjector(ModelJobConfig):
    """Writes some photos and all labels as files of TensorBoard's embedding projector."""

    name = "export_projector"
    needs = ("ingest_photos", "embed_labels", "embed_photos")
    opt_in = True
    photos: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """The number of photos. Their thumbnails share one image."""
