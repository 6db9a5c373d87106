"""The page as text. The file needs no other file and no network."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from devise_lib.console import clock
from devise_lib.report.content import Content, IndexFigures, Photo
from devise_lib.report.curves import evaluation_plots
from devise_lib.report.figures import compare_methods, coverages, headline, hit_tables, of_words
from devise_lib.report.generalized import generalized_tables
from devise_lib.report.hash_balance import draw_balance, fullest, uneven_bits
from devise_lib.report.papers import paper_tables
from devise_lib.report.pca_plane import Plane, fit_plane
from devise_lib.report.pictures import THUMBNAIL_SIDE, data_uri
from devise_lib.report.plots import MAX_NAMES, draw_map, draw_recall
from devise_lib.report.published import KS

SECTIONS = (  # id and title, in the order of the page
    ("tags", "Predicted tags"),
    ("text", "Search by text"),
    ("neighbours", "Nearest photos"),
    ("map", "Map"),
    ("figures", "Accuracy"),
    ("training", "Training"),
    ("index", "Search index"),
    ("hash", "Spread of the hash"),
    ("words", "Words and labels"),
    ("quarantine", "Refused files"),
    ("jobs", "Jobs"),
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


def render(content: Content) -> str:
    """Make the page. Every value is escaped; pictures and plots are inside the page."""
    environment = Environment(
        loader=PackageLoader("devise_lib.report"),
        autoescape=True,  # paths, labels and messages come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, count=count, duration=duration)
    tables = hit_tables(content.metrics)
    index = content.index
    spread = content.hash_spread
    plane = _plane(content)
    plots = evaluation_plots(content.metrics)
    training = content.training_plots
    return environment.get_template("report.html.j2").render(
        c=content,
        sections=SECTIONS,
        hit_tables=tables,
        comparison=compare_methods(tables),
        paper_tables=paper_tables(content.metrics),
        paper_ks=KS,
        generalized=generalized_tables(content.metrics),
        stacking_svg=_svg(plots["stacking.svg"]) if "stacking.svg" in plots else "",
        headline=headline(tables),
        hits_svg=_svg(plots["hits.svg"]) if "hits.svg" in plots else "",
        snapshots=TRAINING_PLOTS["snapshots.svg"],
        training=[(_svg(training[n]), says) for n, says in TRAINING_PLOTS.items() if n in training],
        coverages=coverages(content.metrics),
        coverage_means=COVERAGE_MEANS,
        words=lambda metric: of_words(content.metrics, metric),
        map_svg=_svg(draw_map(content.map_points, plane)) if content.map_points and plane else "",
        map_share=plane.share if plane else 0.0,
        max_names=MAX_NAMES,
        recall_svg=_recall(index) if index and index.k else "",
        balance_svg=_svg(draw_balance(spread)) if spread else "",
        hash_tables=fullest(spread.tables) if spread else [],
        uneven=uneven_bits(spread) if spread else 0,
        refused=sum(row.count for row in content.quarantine),
        seconds=sum(job.seconds for job in content.jobs),
        slowest=max((job.seconds for job in content.jobs), default=0.0),
        thumbnail=_thumbnail,
        side=THUMBNAIL_SIDE,
    )


def _recall(index: IndexFigures) -> str:
    chosen = index.queries_per_s, index.recall
    return _svg(draw_recall(index.curve, chosen, index.target, index.k))


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage with one digit after the point."""
    return f"{share:.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def count(number: float) -> str:
    """A number rounded to a whole one, with separators of thousands."""
    return f"{round(number):,}"


def duration(seconds: float) -> str:
    """A time as seconds, as minutes and seconds, or as hours and minutes."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(round(seconds))


def _plane(content: Content) -> Plane | None:
    """The plane of the map; None if there are fewer than 3 labels, or no photos."""
    points = content.map_points
    if points is None or len(points.vectors) < 3 or not len(points.embeddings):
        return None
    return fit_plane(points.vectors)


def _svg(plot: bytes) -> str:
    return data_uri(plot, "image/svg+xml")


def _thumbnail(photo: Photo) -> str:
    return data_uri(photo.jpeg, "image/jpeg") if photo.jpeg else ""
