"""What is suggested for galleries and assignments that a table lists."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from devise_lib.config.types import GivenPath, ModelJobConfig, PositiveInt, Share, refuse_idle
from devise_lib.search_choices import ExamplePooling, GalleryMethod, OwnerPooling


class CompleteGalleries(ModelJobConfig):
    """Finds photos that complete galleries, and writes GALLERY_SUGGESTIONS."""

    name = "complete_galleries"
    needs = ("build_index", "find_duplicates")
    opt_in = True
    galleries: GivenPath
    """The table of galleries: a path or URI of a Delta table, of Parquet files or of a CSV file. It
    has a row per photo, with the columns `gallery_id` and `photo_id`, or `path` as in PHOTOS. A
    number below 0 in the optional column `sign` says that the photo does not belong."""
    k: PositiveInt = 20
    """The number of suggestions per gallery."""
    method: GalleryMethod = "mean"
    """What photos are ranked by: the cosine with the mean of the members, with the mean without the
    fifth that is farthest from it, with the member nearest to all others, or with the nearest of
    several centroids."""
    centroids: PositiveInt = 3
    """The most centroids of a gallery, for method "centroids"."""
    negative_weight: Annotated[float, Field(ge=0.0)] = 0.5
    """The weight of the mean of photos that do not belong, beside 1 for the members. The query is
    the difference."""
    max_members: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """The most members of a gallery, and the most photos that do not belong, whose embeddings make
    the query. A larger gallery is represented by a random sample."""
    copies: Annotated[float, Field(gt=0.0)] = 0.9999
    """The cosine with a member from which on a photo is a copy of it, and left out. A value above 1
    leaves out none."""
    skip_duplicates: bool = False
    """Whether the photos that DUPLICATE_GROUPS calls the same picture as a member are left out as
    well."""
    task_rows: PositiveInt = 10_000
    """The galleries per task, about."""

    @model_validator(mode="after")
    def _every_key_does_something(self) -> Self:
        refuse_idle(self, "method", {("centroids",): ("centroids",)})
        return self


class RankPhotographers(ModelJobConfig):
    """Ranks the owners of photos for assignments, and writes PHOTOGRAPHER_RANKING."""

    name = "rank_photographers"
    needs = ("train_word2vec", "ingest_photos", "embed_photos")
    opt_in = True
    assignments: GivenPath
    """The table of assignments: a path or URI of a Delta table, of Parquet files or of a CSV file.
    It has the column `assignment_id`, and a text in `brief`, or photos that are as they are wanted
    in `photo_id` (or `path` as in PHOTOS), or both. An assignment may have several rows."""
    k: Annotated[int, Field(ge=1, le=1_000)] = 20
    """The number of owners per assignment."""
    pooling: OwnerPooling = "log_sum_exp"
    """How an owner's photos make his score: the mean of the best ones ("top"), the mean of all, or
    a value between the mean and the best photo ("log_sum_exp")."""
    top: Annotated[int, Field(ge=1, le=1_000)] = 20
    """The number of photos that count, for pooling "top"."""
    shrinkage: Annotated[float, Field(ge=0.0)] = 5.0
    """The number of photos at which an owner's score counts half. The other half is the mean score
    of all photos, so that one lucky photo does not win."""
    text_weight: Share = 0.5
    """The weight of the text, where an assignment has a text and examples."""
    examples: ExamplePooling = "max"
    """Whether a photo must be like one of the examples ("max"), or like all of them ("mean")."""
    max_examples: Annotated[int, Field(ge=1, le=100)] = 20
    """The most examples of an assignment that count. Of more, a random sample is taken."""

    @model_validator(mode="after")
    def _every_key_does_something(self) -> Self:
        refuse_idle(self, "pooling", {("top",): ("top",)})
        return self
