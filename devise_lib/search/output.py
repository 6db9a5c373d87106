"""Answers as a table of text, as JSON, and as a page to look at."""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from devise_lib.search.answers import Answer, Hit
from devise_lib.search.collection import Collection
from devise_lib.search.photo_table import PhotoAbout

THUMBNAIL_SIDE = 192  # pixels
LONGEST_CELL = 60


def to_table(answer: Answer, about: Mapping[str, PhotoAbout]) -> str:
    """Returns the answer as lines of text.

    Args:
        answer: to print.
        about: what is known of its photos.
    """
    lines = [answer.title, *(f"  {note}" for note in answer.notes)]
    rows = [_cells(place, hit, about) for place, hit in enumerate(answer.hits, 1)]
    names = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [{name: name for name in names}, *rows] if rows else []:
        lines.append("  ".join(row[name].ljust(widths[name]) for name in names).rstrip())
    return "\n".join(lines if rows else [*lines, "nothing was found"])


def to_json(answer: Answer, about: Mapping[str, PhotoAbout]) -> str:
    """Returns the answer as one JSON object; its hits also have what is known of their photos."""
    content = asdict(answer)
    for hit in content["hits"]:
        hit["why"] = [{"name": name, "value": value} for name, value in hit["why"]]
        if known := about.get(hit["photo_id"]):
            hit |= asdict(known)
    return json.dumps(content, ensure_ascii=False, indent=1)


def to_html(answer: Answer, collection: Collection, about: Mapping[str, PhotoAbout]) -> str:
    """Returns the answer as a page that holds its photos, as small pictures."""
    photos = {*answer.asked, *photos_of(answer)}
    pictures = dict(_thumbnails(collection, photos))
    environment = Environment(
        loader=PackageLoader("devise_lib.search"), autoescape=select_autoescape(default=True)
    )
    template = environment.get_template("answer.html.j2")
    return template.render(answer=answer, pictures=pictures, about=about)


def photos_of(answer: Answer) -> list[str]:
    """Returns the photos that an answer names, each once."""
    named = (photo for hit in answer.hits for photo in (hit.photo_id, *hit.why_photos) if photo)
    return list(dict.fromkeys(named))


def _cells(place: int, hit: Hit, about: Mapping[str, PhotoAbout]) -> dict[str, str]:
    known = about.get(hit.photo_id, PhotoAbout())
    why = ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:+.2f}"
        for name, value in hit.why
    )
    return {
        "": str(place),
        "score": f"{hit.score:.3f}",
        "photo": hit.photo_id,
        "name": hit.name,
        "decision": hit.decision,
        "label": known.label or "",
        "path": _end(known.path or ""),
        "why": why,
        "by": ", ".join(hit.why_photos),
    }


def _end(path: str) -> str:
    """Returns a path as a person would type it here, or its end if it is long."""
    plain = path.removeprefix("file:").removeprefix(f"{Path.cwd()}/")
    return plain if len(plain) <= LONGEST_CELL else f"...{plain[-LONGEST_CELL + 3 :]}"


def _thumbnails(collection: Collection, photos: set[str]) -> Iterator[tuple[str, str]]:
    """Yields photos with the data URIs of their small pictures; leaves out what is no image."""
    from PIL import Image

    from devise_lib.vision.images.decode import Refusal, decode

    files = {photo: Path(photo) for photo in photos if Path(photo).is_file()}
    contents = {photo: file.read_bytes() for photo, file in files.items()}
    if collection.photos is not None:
        contents |= collection.photos.contents(photos - files.keys())
    for photo, content in contents.items():
        pixels = decode(content, THUMBNAIL_SIDE)
        if isinstance(pixels, Refusal):
            continue
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
        yield photo, f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
