"""Requests of S3 that fsspec's own calls make in another way."""

from collections.abc import Iterator, Sequence
from typing import Any

PAGE_KEYS = 1_000  # names per request, the limit of S3
# What S3 and its relatives answer to a file that should only be created: there is one, several
# callers create it at once, and they know no such thing.
CONDITION_FAILED = ("PreconditionFailed", "412")
CONFLICT = ("ConditionalRequestConflict", "409")
NO_CONDITION = ("NotImplemented", "501")


def list_pages(fs: Any, bucket: str, prefix: str, delimiter: str) -> Iterator[list[dict[str, Any]]]:
    """Yields pages of files, and of folders where a delimiter ends them; `ls` would hold all.

    Args:
        fs: of s3fs.
        bucket: its name.
        prefix: how keys begin.
        delimiter: "/" for the content of a folder, "" for all below it.
    """
    asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
    while True:
        page = fs.call_s3("list_objects_v2", MaxKeys=PAGE_KEYS, **asked)
        folders = [
            {"name": f"{bucket}/{each['Prefix']}", "type": "directory"}
            for each in page.get("CommonPrefixes", ())
        ]
        files = [
            {**each, "name": f"{bucket}/{each['Key']}", "size": each["Size"]}
            for each in page.get("Contents", ())
        ]
        yield folders + files
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def delete_keys(fs: Any, bucket: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Deletes files, and yields the key and the code of each that S3 refuses to delete.

    `rm` would take a name with a star for a pattern.

    Args:
        fs: of s3fs.
        bucket: its name.
        names: BUCKET/KEY of each file.
    """
    for start in range(0, len(names), PAGE_KEYS):
        some = [{"Key": name.partition("/")[2]} for name in names[start : start + PAGE_KEYS]]
        wanted = {"Objects": some, "Quiet": True}
        answer = fs.call_s3("delete_objects", Bucket=bucket, Delete=wanted)
        for fault in answer.get("Errors", ()):
            yield fault["Key"], fault.get("Code", "")
