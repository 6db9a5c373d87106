"""A small generated data set: articles and photos of the same sixty things."""

from devise_lib.sample.broken import iter_broken
from devise_lib.sample.dump import write_dump
from devise_lib.sample.files import write_broken, write_photos, write_world_files
from devise_lib.sample.photos import iter_photos

__all__ = [
    "iter_broken",
    "iter_photos",
    "write_broken",
    "write_dump",
    "write_photos",
    "write_world_files",
]
