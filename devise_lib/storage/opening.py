"""Opens stores by fsspec, and reads what it says about files."""

from datetime import datetime
from typing import Any

from devise_lib.errors import InputError
from devise_lib.storage.settings import PROTOCOLS, Settings, fsspec_options


def open_store(scheme: str, authority: str, settings: Settings) -> Any:
    """Returns the file system of fsspec for a store.

    Args:
        scheme: of the store's URIs, one of `settings.PROTOCOLS`.
        authority: the part of its URIs behind `//`.
        settings: Hadoop's settings by name.

    Raises:
        InputError: the package that speaks to such a store is not installed, or HDFS is out of
            reach.
    """
    import fsspec  # with the store's package it takes half a second

    options = fsspec_options(scheme, authority, settings)
    # fsspec's own cache has an object per thread, with connections that nobody closes.
    uncached = {"skip_instance_cache": True, "use_listings_cache": False}
    try:
        found = fsspec.filesystem(PROTOCOLS[scheme.lower()], **uncached, **options)
    except (ImportError, OSError) as error:
        raise InputError(
            f"{scheme}://{authority} cannot be opened on this machine ({error}): install the "
            "package of its store, as with devise-spark[s3], or check its address"
        ) from error
    if PROTOCOLS[scheme.lower()] == "s3":
        found.retries = 1  # s3fs would repeat the tries of botocore
    return found


def modified_s(info: dict[str, Any]) -> float:
    """Returns the time of the last change, seconds since 1970; 0 for a folder of a store."""
    for name in ("LastModified", "last_modified", "mtime", "updated"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, str) and value:
            return datetime.fromisoformat(value).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0
