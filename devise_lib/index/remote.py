"""Bundles on stores want packages that the loader can do without."""

from collections.abc import Iterator
from contextlib import contextmanager

from devise_lib.errors import InputError

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "abfss": "azure", "abfs": "azure"}  # by scheme


@contextmanager
def store_packages(folder: str) -> Iterator[None]:
    """Lets the body import what copies a bundle from a store.

    Raises:
        InputError: a package is missing; names it, and what to do.
    """
    try:
        yield
    except ImportError as error:
        extra = EXTRAS.get(folder.partition(":")[0])
        wanted = f"devise-spark[{extra}]" if extra else "devise-spark and the store's package"
        raise InputError(
            f"{folder} lies on a store, and the package {error.name} that copies it is missing: "
            f"install {wanted} with what it needs, or copy the bundle to a disk and open that"
        ) from error
