"""The reference pages are what the code says today, and have every key, reason and table."""

import os
import re
from pathlib import Path
from typing import Annotated, get_args

import pytest
from pydantic import BaseModel, Field

from devise_lib.backbone_catalog import NETWORKS
from devise_lib.config.photos import PhotoSource, TableColumns
from devise_lib.config.registry import JOBS
from devise_lib.config.types import Candidates, JobConfig
from devise_lib.reasons import EXPLANATIONS, Reason
from devise_lib.spark.tables.schemas import SCHEMAS
from tools import docs
from tools.configuration_page import (
    LABEL_SETS,
    fill,
    in_toml,
    markdown_table,
    meanings,
    type_in_words,
)

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [job.name for job in JOBS]
MODELS = (JobConfig, *JOBS, PhotoSource, TableColumns, Candidates, *LABEL_SETS)
MOST_WORDS = 35  # of a sentence
CITATION = re.compile(r"([A-Z][\w-]+)(?: et al\.| and \w+)?, (\d{4})")


def committed(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_column(page: str, heading: str) -> list[str]:
    """What the first column of the table below a heading names, in code marks."""
    section = re.split(r"\n#+ ", page.split(f"\n{heading}\n")[1])[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def own_keys(job: type[JobConfig]) -> list[str]:
    return [key for key in job.model_fields if key not in JobConfig.model_fields]


def test_the_committed_pages_are_what_the_code_says(tmp_path):
    for name in docs.write_pages(tmp_path):
        assert (tmp_path / name).read_text(encoding="utf-8") == committed(name), (
            f"docs/{name} is not what the code says today: run `make docs`"
        )
    assert docs.write_pages(tmp_path) == []


def test_a_page_that_differs_is_written_anew(tmp_path):
    docs.write_pages(tmp_path)
    (tmp_path / "reference/reasons.md").write_text("old", encoding="utf-8")
    assert docs.write_pages(tmp_path) == ["reference/reasons.md"]


def test_every_key_is_on_the_page_of_the_configuration():
    page = committed("reference/configuration.md")
    assert re.findall(r"^## ([a-z]\w+)$", page, re.MULTILINE) == NAMES
    assert first_column(page, "## Common keys") == list(JobConfig.model_fields)
    for job in JOBS:
        assert first_column(page, f"## {job.name}") == own_keys(job)
    assert first_column(page, "## Photo sources") == list(PhotoSource.model_fields)
    assert first_column(page, "## Columns of a table of photos") == list(TableColumns.model_fields)
    assert first_column(page, "## Candidate sets") == list(Candidates.model_fields)
    for each in LABEL_SETS:
        [kind] = get_args(each.model_fields["kind"].annotation)
        keys = [key for key in each.model_fields if key != "kind"]
        assert first_column(page, f'### kind = "{kind}"') == keys


def test_every_network_is_on_it_with_its_size():
    rows = re.findall(
        r"^\| `(\w[\w.]*)` \| (\d+) \|", committed("reference/configuration.md"), re.M
    )
    sizes = {name: int(size) for name, size in rows}
    assert sizes.pop("cifar_resnet_N") == 32
    assert sizes == {name: each.image_size for name, each in NETWORKS.items()}


def test_opt_in_jobs_and_needs_are_told():
    sections = re.split(r"^## ", committed("reference/configuration.md"), flags=re.MULTILINE)
    told = {section.split("\n")[0]: section for section in sections}
    for job in JOBS:
        assert ("- Opt-in" in told[job.name]) == job.opt_in
        for need in job.needs:
            assert f"[{need}](#{need})" in told[job.name]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_has_a_meaning_in_sentences_that_are_not_too_long(model):
    found = meanings(model)
    for key in model.model_fields.keys() - {"kind"} | found.keys():
        assert found[key].endswith("."), f"{model.__name__}.{key}"
        for sentence in re.split(r"[.;:] ", found[key]):
            assert len(sentence.split()) <= MOST_WORDS, sentence


def test_every_reason_is_explained_by_jobs_that_there_are():
    assert list(EXPLANATIONS) == list(Reason)
    page = committed("reference/reasons.md")
    assert first_column(page, "# Reasons of refused photos") == [*Reason]
    for told in EXPLANATIONS.values():
        assert set(told.jobs) <= set(NAMES)


def test_every_table_has_a_section_with_its_columns():
    page = committed("analysts/tables.md")
    for name, schema in SCHEMAS.items():
        assert first_column(page, f"## {name.upper()}") == schema.names


def test_links_between_the_pages_lead_to_headings():
    pages = {Path(name): committed(name) for name in docs.pages()}
    anchors = {
        path: {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
        }
        for path, page in pages.items()
    }
    for path, page in pages.items():
        for target, anchor in re.findall(r"\]\(([\w./]*)#?([\w-]*)\)", page):
            there = Path(os.path.normpath(path.parent / target)) if target else path
            assert not anchor or anchor in anchors[there], (path, target, anchor)
            assert there in pages, (path, target)


def test_the_glossary_is_in_order_and_lists_its_sources():
    page = committed("reference/glossary.md")
    rows = re.findall(r"^\| (.+?) \| (.+) \|(.*)\|$", page.split("|---|---|---|")[1], re.MULTILINE)
    terms = [term.casefold() for term, _, _ in rows]
    assert len(terms) > 40
    assert terms == sorted(terms)
    assert len(set(terms)) == len(terms)
    cited = {(name, year) for *_, text in rows for name, year in CITATION.findall(text)}
    listed = re.findall(r"^- ([\w-]+).*, (\d{4})\.$", page, re.MULTILINE)
    assert cited == set(listed)
    for _, meaning, _ in rows:
        for sentence in re.split(r"[.;:] ", meaning):
            assert len(sentence.split()) <= MOST_WORDS, sentence


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Annotated[int, Field(ge=1)], "whole number from 1"),
        (Annotated[float, Field(gt=0.0, le=1.0)], "number above 0 to 1"),
        (tuple[Annotated[int, Field(ge=0, lt=5)], ...], "list: whole number from 0 and below 5"),
        (Annotated[float, Field(ge=0.5)] | None, "number from 0.5"),
    ],
)
def test_a_type_is_told_in_words(hint, words):
    assert type_in_words(hint) == words


def test_a_type_without_words_is_a_fault():
    with pytest.raises(TypeError, match="put it into PAGE_TYPES"):
        type_in_words(bytes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5_000, "5000"),
        (200_000, "200_000"),
        (0.003, "0.003"),
        (60.0, "60"),
        (1e5, "1e5"),
        ((0.1, 2.0), "[0.1, 2]"),
        ("a b", '"a b"'),
        (r"(\d+)", r"'(\d+)'"),
        (Reason.EMPTY, '"empty"'),
    ],
)
def test_a_default_is_told_as_toml(value, text):
    assert in_toml(value) == text


def test_meanings_of_keys_come_along_from_the_models_above():
    class Above(BaseModel):
        key: int
        """What it is
        for."""

    class Below(Above):
        other: str = ""
        """Another one."""

    assert meanings(Below) == {"key": "What it is for.", "other": "Another one."}


def test_bars_do_not_cut_cells_and_items_of_a_list_stay_apart():
    assert markdown_table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"
    assert fill(f"{'word ' * 30}end\n- one\n- two\n\nlast").splitlines()[1:] == [
        "word word word word word word end",
        "- one",
        "- two",
        "",
        "last",
    ]
