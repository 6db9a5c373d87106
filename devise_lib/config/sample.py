"""The sample that the demo runs on."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from devise_lib.config.types import JobConfig


class MakeSample(JobConfig):
    """Generates the sample of the demo: a dump, photos and labels of a small world."""

    name = "make_sample"
    opt_in = True
    folder: Annotated[str, Field(validate_default=True)] = "{work_dir}/sample"
    """The folder that the sample is written to."""
    articles: Annotated[int, Field(ge=100)] = 2_000
    """The number of articles of the dump."""
    photos: Annotated[int, Field(ge=200)] = 3_000
    """The number of photos."""

    @field_validator("folder")
    @classmethod
    def _in_work_dir(cls, folder: str, info: ValidationInfo) -> str:
        return folder.replace("{work_dir}", info.data.get("work_dir", ""))  # of the default
