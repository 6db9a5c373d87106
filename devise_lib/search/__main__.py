"""Searches an index bundle from the command line.

    python -m devise_lib.search text "snow leopard" --without zoo --bundle work/demo
    python -m devise_lib.search similar PHOTO --html found.html --bundle work/demo
    python -m devise_lib.search gallery PHOTO PHOTO --not PHOTO --bundle work/demo

A PHOTO is a photo_id of the bundle, or the path of an image, which the bundle's own network embeds.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from devise_lib.errors import InputError
from devise_lib.search import assignment_answers as assignments
from devise_lib.search import photo_answers as photos
from devise_lib.search.answers import Answer
from devise_lib.search.collection import Collection
from devise_lib.search.output import photos_of, to_html, to_json, to_table
from devise_lib.search.sense_answers import find_sense

Search = Callable[[Collection, argparse.Namespace], Answer]


def main(words: Sequence[str]) -> int:
    """Answers what the command line asks; returns the exit code."""
    args = _parser().parse_args(words)
    try:
        collection = Collection.open(args.bundle, args.photos)
        answer = SEARCHES[args.command](collection, args)
        about = collection.photos.about(photos_of(answer)) if collection.photos else {}
        if args.html:
            Path(args.html).write_text(to_html(answer, collection, about), encoding="utf-8")
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    write = to_json if args.format == "json" else to_table
    print(write(answer, about))  # noqa: T201
    return 0


def _text(collection: Collection, args: argparse.Namespace) -> Answer:
    return photos.find_text(collection, " ".join(args.words), args.without, args.k)


def _similar(collection: Collection, args: argparse.Namespace) -> Answer:
    return photos.find_similar(collection, args.photo, args.copies, args.k)


def _tags(collection: Collection, args: argparse.Namespace) -> Answer:
    return photos.find_tags(collection, args.photo, args.k, args.vocabulary, args.csls)


def _gallery(collection: Collection, args: argparse.Namespace) -> Answer:
    gallery = photos.Gallery(args.photo, args.others, args.method, args.copies)
    return photos.complete_gallery(collection, gallery, args.k)


def _submissions(collection: Collection, args: argparse.Namespace) -> Answer:
    judged = None
    if args.accepted or args.rejected:
        judged = assignments.Judged(args.accepted, args.rejected)
    brief = assignments.Brief(args.brief, args.like, args.text_weight, args.examples)
    return assignments.order_submissions(
        collection, args.photo, brief, judged, args.relevance, args.k
    )


def _photographers(collection: Collection, args: argparse.Namespace) -> Answer:
    brief = assignments.Brief(args.brief, args.like, args.text_weight, args.examples)
    return assignments.find_photographers(collection, brief, args.k, args.pooling, args.considered)


def _sense(collection: Collection, args: argparse.Namespace) -> Answer:
    found = (args.context, args.beside, args.candidates, args.k)
    return find_sense(collection, args.word, *found)


SEARCHES: dict[str, Search] = {
    "text": _text,
    "similar": _similar,
    "tags": _tags,
    "gallery": _gallery,
    "submissions": _submissions,
    "photographers": _photographers,
    "sense": _sense,
}


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--bundle", required=True, help="a bundle, the folder index, or the work folder"
    )
    common.add_argument(
        "--photos", default="", help="the table PHOTOS; default: that of the work folder"
    )
    common.add_argument("--format", choices=("table", "json"), default="table")
    common.add_argument("--html", metavar="FILE", help="also write a page with the photos")
    briefs = argparse.ArgumentParser(add_help=False)
    briefs.add_argument("--brief", default="", help="the text of the assignment")
    briefs.add_argument("--like", nargs="+", default=[], metavar="PHOTO", help="examples")
    briefs.add_argument(
        "--text-weight", type=_share, default=0.5, help="of the text beside the examples"
    )
    briefs.add_argument(
        "--examples", choices=("max", "mean"), default="max", help="like one of them, or like all"
    )

    parser = argparse.ArgumentParser(
        prog="python -m devise_lib.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(
        name: str, about: str, *parents: argparse.ArgumentParser, k: int | None = 10
    ) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name, help=about, description=about, parents=[common, *parents]
        )
        told = f"the number of results; default: {k or 'all'}"
        parser.add_argument("-k", type=_positive, default=k, help=told)
        return parser

    text = command("text", "photos that a text describes")
    text.add_argument("words", nargs="+")
    text.add_argument("--without", default="", help="words that are not wanted")
    similar = command("similar", "photos like a photo, or like a file")
    similar.add_argument("photo")
    similar.add_argument(
        "--copies", type=_finite, default=2.0, help="leave out photos of at least this cosine"
    )
    tags = command("tags", "the labels or words nearest to photos")
    tags.add_argument("photo", nargs="+")
    tags.add_argument("--vocabulary", choices=("labels", "words"), default="labels")
    tags.add_argument("--csls", action="store_true", help="rank words that are near to all lower")
    gallery = command("gallery", "photos that complete a gallery")
    gallery.add_argument("photo", nargs="+")
    gallery.add_argument("--not", dest="others", nargs="+", default=[], metavar="PHOTO")
    gallery.add_argument(
        "--method", choices=("mean", "trimmed_mean", "medoid", "centroids"), default="mean"
    )
    gallery.add_argument(
        "--copies", type=_finite, default=0.9999, help="leave out photos this near to a member"
    )
    submissions = command(
        "submissions", "photos in the order in which they fit a brief", briefs, k=None
    )
    submissions.add_argument("photo", nargs="+")
    submissions.add_argument("--accepted", nargs="+", default=[], metavar="PHOTO")
    submissions.add_argument("--rejected", nargs="+", default=[], metavar="PHOTO")
    submissions.add_argument(
        "--relevance", type=_share, default=1.0, help="below 1: photos that differ come earlier"
    )
    photographers = command("photographers", "owners of photos for an assignment", briefs)
    photographers.add_argument(
        "--pooling", choices=("log_sum_exp", "top", "mean"), default="log_sum_exp"
    )
    photographers.add_argument(
        "--considered", type=_positive, default=5_000, help="the nearest photos that count"
    )
    sense = command("sense", "the senses of a word, or which of some words a context means", k=3)
    sense.add_argument("word", nargs="?", default="")
    sense.add_argument("--context", default="", help="words beside it")
    sense.add_argument("--beside", nargs="+", default=[], metavar="PHOTO")
    sense.add_argument("--candidates", nargs="+", default=[], metavar="WORD")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"want a whole number above 0, got {text!r}")
    return int(text)


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"want a number, got {text!r}")
    return value


def _share(text: str) -> float:
    if not 0 <= (value := _finite(text)) <= 1:
        raise argparse.ArgumentTypeError(f"want a number from 0 to 1, got {text!r}")
    return value


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
