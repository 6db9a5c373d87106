"""The page as text. The file needs no other file and no network."""

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from devise_lib.report.content import Content, Photo
from devise_lib.report.curves import evaluation_plots
from devise_lib.report.drawing import COLOURS
from devise_lib.report.figures import compare_methods, coverages, headline, hit_tables, of_words
from devise_lib.report.generalized import generalized_tables
from devise_lib.report.hash_balance import draw_balance, fullest, uneven_bits
from devise_lib.report.papers import paper_tables
from devise_lib.report.parts.bars import (
    bucket_bars,
    count,
    duration,
    job_bars,
    job_cost,
    price,
    reason_bars,
)
from devise_lib.report.parts.map_chart import HEIGHT, SHAPES, WIDTH, lay_out_map
from devise_lib.report.parts.page_budget import MAX_BYTES, Allowance, fit_page
from devise_lib.report.parts.search_data import make_search_data
from devise_lib.report.pictures import data_uri, shrink
from devise_lib.report.plots import draw_recall
from devise_lib.report.published import KS
from devise_lib.report.search_content import HashSpread, IndexFigures

SECTIONS = (  # id and title, in the order of the page; each has a template in sections/
    ("tags", "Tags"),
    ("text", "Search by words"),
    ("neighbours", "Near photos"),
    ("duplicates", "Duplicates"),
    ("map", "Map"),
    ("figures", "Accuracy"),
    ("training", "Training"),
    ("index", "Recall and speed"),
    ("hash", "Buckets"),
    ("quarantine", "Refused files"),
    ("jobs", "Time and cost"),
    ("words", "Words and labels"),
    ("next", "How to go on"),
)
TRAINING_PLOTS = {  # by file name, in the order of the page: what the plot shows
    "snapshots.svg": "Test photos on their way to their labels. Each panel is one epoch, in the "
    "plane of the label vectors' first two principal components. The label of each colour is a "
    "circle, hollow if the label is unseen. Grey points are the other labels.",
    "losses.svg": "Mean loss of each epoch, of the model and of its control. The control is "
    "trained towards random embeddings. Their targets differ, so their losses cannot be compared.",
    "scores.svg": "Accuracy of the chosen settings on held-out labels after each epoch.",
}
COVERAGE_MEANS = {
    "exact": "the first name of the label has a word vector",
    "synonym": "another name of the label has one",
    "averaged": "the mean of the vectors of the words of its name",
    "missing": "no word of the label has a vector",
    "attributes": "the attributes of the class, in place of words",
}
SCRIPT = "report.js"


def render(content: Content, max_bytes: int = MAX_BYTES) -> str:
    """Make the page. Every value is escaped; pictures and plots are inside the page.

    Args:
        content: of the page.
        max_bytes: of the page. To keep it, pictures get smaller and words fewer; at last the folded
            tables of methods are left out.
    """
    environment = _environment()
    template = environment.get_template("report.html.j2")
    script = environment.get_template(SCRIPT).render()
    values = _values(content) | _script_values(script)
    shown = {photo.photo_id for photo in _gallery_photos(content)}

    def make(allowance: Allowance) -> str:
        material = content.search
        return template.render(
            values,
            thumbnail=_make_thumbnail(allowance),
            side=allowance.picture_side,
            all_tables=allowance.all_tables,
            search_data=make_search_data(material, shown, allowance) if material else None,
        )

    return fit_page(make, max_bytes)


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage with one digit after the point."""
    return f"{share:.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("devise_lib.report"),
        autoescape=True,  # paths, labels and messages come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, count=count, duration=duration)
    return environment


def _values(content: Content) -> dict[str, Any]:
    """What the template shows within every allowance."""
    tables = hit_tables(content.metrics)
    seconds = sum(job.seconds for job in content.jobs)
    plots = evaluation_plots(content.metrics)
    training = content.training_plots
    index = content.index
    return {
        "c": content,
        "sections": SECTIONS,
        "hit_tables": tables,
        "comparison": compare_methods(tables),
        "paper_tables": paper_tables(content.metrics),
        "paper_ks": KS,
        "generalized": generalized_tables(content.metrics),
        "stacking_svg": _svg(plots["stacking.svg"]) if "stacking.svg" in plots else "",
        "headline": headline(tables),
        "hits_svg": _svg(plots["hits.svg"]) if "hits.svg" in plots else "",
        "snapshots": TRAINING_PLOTS["snapshots.svg"],
        "training": [
            (_svg(training[n]), says) for n, says in TRAINING_PLOTS.items() if n in training
        ],
        "coverages": coverages(content.metrics),
        "coverage_means": COVERAGE_MEANS,
        "words": lambda metric: of_words(content.metrics, metric),
        "chart": lay_out_map(content.map_points) if content.map_points else None,
        "map_width": WIDTH,
        "map_height": HEIGHT,
        "shapes": SHAPES,
        "colours": COLOURS,
        "recall_svg": _recall(index) if index and index.k else "",
        **_hash_values(content.hash_spread),
        "refused": sum(row.count for row in content.quarantine),
        "reason_bars": reason_bars(content.quarantine),
        "job_bars": job_bars(content.jobs, content.cores, content.core_hour_price),
        "seconds": seconds,
        "cost": price(job_cost(seconds, content.cores, content.core_hour_price)),
    }


def _hash_values(spread: HashSpread | None) -> dict[str, Any]:
    if spread is None:
        return {}
    tables = fullest(spread.tables)
    return {
        "balance_svg": _svg(draw_balance(spread)),
        "hash_tables": tables,
        "uneven": uneven_bits(spread),
        "bucket_bars": bucket_bars(tables, spread.photos),
    }


def _script_values(script: str) -> dict[str, Any]:
    """The page's own script, and its digest: by that alone a browser lets it run."""
    digest = hashlib.sha256(script.encode()).digest()
    return {"script": Markup(script), "script_digest": base64.b64encode(digest).decode("ascii")}


def _gallery_photos(content: Content) -> list[Photo]:
    """The photos whose pictures are in the galleries."""
    rows = [query.hits for query in content.queries]
    rows += [row.hits for row in content.neighbours]
    rows += [group.hits for group in (content.duplicates.shown if content.duplicates else ())]
    photos = [item.photo for item in content.gallery]
    photos += [row.photo for row in content.neighbours]
    return photos + [hit.photo for hits in rows for hit in hits]


def _make_thumbnail(allowance: Allowance) -> Callable[[Photo], str]:
    @cache  # a photo may be in several galleries
    def small(jpeg: bytes) -> str:
        picture = shrink(jpeg, allowance.picture_side, allowance.quality)
        return data_uri(picture, "image/webp")

    return lambda photo: small(photo.jpeg) if photo.jpeg else ""


def _recall(index: IndexFigures) -> str:
    chosen = index.queries_per_s, index.recall
    return _svg(draw_recall(index.curve, chosen, index.target, index.k))


def _svg(plot: bytes) -> str:
    return data_uri(plot, "image/svg+xml")
