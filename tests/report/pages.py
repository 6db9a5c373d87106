"""Contents of a page for the tests, full and empty, and the page as a browser reads it."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
from numpy.typing import ArrayLike

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.report.content import (
    Content,
    DuplicateGroup,
    Duplicates,
    Header,
    Hit,
    JobTime,
    MapPoints,
    Measurement,
    Neighbours,
    Photo,
    Refused,
    SearchMaterial,
    Tag,
    TaggedPhoto,
    TextQuery,
)
from devise_lib.report.pictures import encode_jpeg
from devise_lib.report.search_content import (
    HashSpread,
    HashTable,
    IndexFigures,
)

THEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
JPEG = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
HEADER = Header(
    "devise-v1", "run1", "run2", THEN, 7, "/devise", 90, 80, 40, 9, 1234, 567, [("numpy", "1.26")]
)


class Page(HTMLParser):
    """A page as a browser reads it.

    Attributes:
        tags: name and attributes of each.
        folded: for each tag whether it is inside <details>, so that it is not shown at first.
        sections: the text of each <section>, by its id.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.folded: list[bool] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self._details = 0
        self._ignored = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.folded.append(self._details > 0)
        self._details += tag == "details"
        self._ignored = tag in ("style", "script")
        if tag == "section":
            self._section = dict(attrs).get("id") or ""

    def handle_endtag(self, tag):
        self._ignored = False
        self._details -= tag == "details"
        if tag == "section":
            self._section = ""

    def handle_data(self, data):
        if not self._ignored:
            self.sections[self._section] = self.sections.get(self._section, "") + data

    def addresses(self):
        """Every address that a browser may follow or fetch."""
        names = ("src", "href", "srcset", "action", "data", "poster")
        return [value for _, attrs in self.tags for name, value in attrs.items() if name in names]


def full(name: str = "snow leopard", path: str = "/photos/a/b.jpg") -> Content:
    """A page with every part; `name` and `path` are wherever names and paths can be."""
    photo = Photo("p1", path, name, name, JPEG)
    rng = np.random.default_rng(0)
    return Content(
        header=HEADER,
        metrics=[
            Measurement("devise", "a unseen", "unseen_only", "hit", 1, 0.4321),
            Measurement("devise", "a unseen", "unseen_only", "hit", 5, 0.8),
            Measurement("chance", "a unseen", "unseen_only", "hit", 1, 0.1),
            Measurement("devise", "a unseen", "unseen_only", "photos", None, 225.0),
            Measurement("word2vec", "analogies", "", "analogies", None, 0.3141),
            Measurement("word2vec", "analogies", "", "questions", None, 812.0),
            Measurement("word2vec", name, "", "spearman", None, 0.7131),
            Measurement("labels", name, "exact", "coverage", None, 0.75),
        ],
        gallery=[TaggedPhoto(photo, [Tag(name, 0.9, False, True), Tag("cat", 0.8, True, False)])],
        gallery_is_unseen=True,
        queries=[
            TextQuery(name, [name], ["xyzzy"], [Hit(photo, 0.77, True)]),
            TextQuery("plugh", fault="no word has a vector"),
        ],
        neighbours=[Neighbours(photo, "bundle-1", [Hit(photo, 0.66, None)])],
        duplicates=Duplicates(
            3, 9, [DuplicateGroup([Hit(photo, 1.0, None), Hit(photo, 0.9987, None)], 4)]
        ),
        map_points=MapPoints(
            [name, "b", "c", "d"],
            [True, False, True, True],
            rng.normal(size=(4, 5)).astype(np.float32),
            [name, name],
            rng.normal(size=(2, 5)).astype(np.float32),
            ["p1", "p2"],
        ),
        search=SearchMaterial(
            words=[name, "b"],
            word_vectors=rng.normal(size=(2, 5)).astype(np.float32),
            photos=[photo, Photo("p2", path, name, name, JPEG)],
            embeddings=rng.normal(size=(2, 5)).astype(np.float32),
            longest_phrase=5,
            unwanted_weight=0.5,
        ),
        index=IndexFigures(
            name="bundle-1",
            key="IVF4,Flat",
            vectors=80,
            parameters="nprobe=2",
            k=10,
            recall=0.961,
            low=0.952,
            high=0.97,
            queries_per_s=12_345.6,
            curve=[(40_000.0, 0.7), (12_345.6, 0.961), (2_000.0, 1.0)],
            target=0.95,
        ),
        hash_spread=HashSpread(
            hash_id=f"devise-v1-{name}",
            kind="hyperplanes",
            photos=80,
            bucket_bits=4,
            least_balance=0.1,
            tables=[
                HashTable(0, 0.104, 12.3, 2.4, 4.0, [0.5, 0.42, 0.61, 0.95, 0.5]),
                HashTable(1, 0.25, 21.0, 1.8, 4.0, [0.5, 0.02, 0.5, 0.5, 0.77]),
            ],
            advice=[f"2 of 10 bits are the same: try {name}"],
        ),
        quarantine=[Refused("ingest_photos", "empty", 3, path, name)],
        jobs=[JobTime("embed_photos", 75.0, "80 embeddings", THEN, "run0")],
        cores=4,
        core_hour_price=0.6,
        mlflow_command="mlflow ui --backend-store-uri sqlite:////devise/mlflow.db",
        training_plots={"losses.svg": b"<svg/>", "of another version.svg": b"<svg/>"},
    )


def empty() -> Content:
    """A page of a run that has nothing but a model."""
    return Content(
        header=Header("devise-v1", "", "", THEN, 0, "/devise", 0, 0, 0, 0, None, None, []),
        metrics=[],
        gallery=[],
        gallery_is_unseen=False,
        queries=[],
        neighbours=[],
        duplicates=None,
        map_points=None,
        search=None,
        index=None,
        hash_spread=None,
        quarantine=[],
        jobs=[],
        cores=2,
        core_hour_price=0.0,
        mlflow_command="",
        training_plots={},
    )


def searchable() -> Content:
    """A page on which a search finds something: four photos of each of six things.

    The words are the things and two more. One thing is a phrase. The first photo of each thing is
    in a gallery, the others are on the map alone.
    """
    rng = np.random.default_rng(1)
    names = ("zebra", "horse", "ship", "fire_truck", "church", "rose")
    words = (*names, "striped", "sea")
    vectors = l2_normalize(rng.normal(size=(len(words), 24)).astype(np.float32))
    photos, embeddings = [], []
    for number in range(4):
        for row, name in enumerate(names):
            label = name.replace("_", " ")
            pixels = np.full((32, 32, 3), (40 * row, 60 * number, 120), np.uint8)
            photo_id = f"{name}-{number}"
            path = f"/photos/{name}/{number}.jpg"
            photos.append(Photo(photo_id, path, name, label, encode_jpeg(pixels)))
            embeddings.append(vectors[row] + rng.normal(0, 0.12, 24))
    found = l2_normalize(np.array(embeddings, np.float32))
    tags = [Tag("zebra", 0.9, False, True)]
    return replace(
        full(),
        gallery=[TaggedPhoto(photo, tags) for photo in photos[: len(names)]],
        queries=[TextQuery("zebra", ["zebra"], [], [Hit(photos[0], 0.9, True)])],
        neighbours=[Neighbours(photos[0], "bundle-1", [Hit(photos[1], 0.5, False)])],
        duplicates=None,
        map_points=MapPoints(
            [photo.truth for photo in photos[: len(names)]],
            [True] * len(names),
            vectors[: len(names)],
            [photo.truth for photo in photos],
            found,
            [photo.photo_id for photo in photos],
        ),
        search=SearchMaterial(words, vectors, photos, found, 5, 0.5),
        training_plots={},
    )


def make_spread(balance: ArrayLike) -> HashSpread:
    """A hash with a row of shares of ones per table; later tables have more candidates."""
    tables = [
        HashTable(number, 0.1, 10.0 + number, 3.0, 4.0, shares)
        for number, shares in enumerate(np.asarray(balance).tolist())
    ]
    return HashSpread("devise-v1-hash", "median", 80, 1, 0.1, tables, [])
