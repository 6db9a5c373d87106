"""Hadoop's settings of object stores as options of fsspec, so that a user gives them once.

Spark reaches stores by Hadoop, and Python by fsspec. What is not set here comes from the store's
own chain on both sides: environment variables, profiles, the role of the machine.

| settings | taken over |
|---|---|
| `fs.s3a.NAME`, `fs.s3a.bucket.BUCKET.NAME` | those of S3_NAMES |
| `fs.azure.account.NAME`, `fs.azure.account.NAME.HOST` | those of AZURE_NAMES |
| `fs.gs.project.id`, `fs.gs.auth.service.account.json.keyfile` | both |
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from devise_lib.errors import InputError

Settings = Mapping[str, str]

PREFIXES = ("fs.s3a.", "fs.azure.", "fs.gs.")  # of the settings that a process needs
PROTOCOLS = {  # scheme of a URI -> fsspec's name of the store
    "s3": "s3",
    "s3a": "s3",
    "s3n": "s3",
    "gs": "gs",
    "abfs": "abfs",
    "abfss": "abfs",
    "hdfs": "hdfs",
}
S3_NAMES = (
    *("endpoint", "endpoint.region", "path.style.access", "connection.ssl.enabled"),
    *("access.key", "secret.key", "session.token"),
    "aws.credentials.provider",  # whether it is the anonymous one
    *("attempts.maximum", "connection.timeout", "connection.establish.timeout"),
    *("encryption.algorithm", "encryption.key"),  # SSE-S3 and SSE-KMS
)
AZURE_NAMES = ("key", "oauth2.client.id", "oauth2.client.secret", "oauth2.client.endpoint")
# Tries of a request, before each of which botocore waits longer, and seconds after which a try has
# failed. A store that never answers is given up after some 45 s, before READ_TIMEOUT_S of
# photo_limits would refuse a photo.
ATTEMPTS, CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 4, 5.0, 10.0
ENCRYPTIONS = {"SSE-S3": "AES256", "AES256": "AES256", "SSE-KMS": "aws:kms"}  # Hadoop's -> S3's
_UNITS_S = {"": 1e-3, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}  # without one: milliseconds


def is_store(uri: str) -> bool:
    """Returns whether a URI names a store and its bucket; HDFS has a default host.

    >>> is_store("s3a://bucket/folder"), is_store("s3:///folder"), is_store("dbfs:/folder")
    (True, False, False)
    """
    scheme, slashes, rest = uri.partition("://")
    protocol = PROTOCOLS.get(scheme.lower())
    return bool(
        slashes and protocol and (protocol == "hdfs" or (not rest.startswith("/") and rest))
    )


def one_scheme(uri: str) -> str:
    """Returns a URI of S3 in its first spelling, because s3:, s3a: and s3n: name the same."""
    return re.sub("^s3[an]:", "s3:", uri)


def fsspec_options(scheme: str, authority: str, settings: Settings) -> dict[str, Any]:
    """Returns the options with which fsspec opens a store.

    Args:
        scheme: of a URI, one of PROTOCOLS.
        authority: the part of the URI behind `//`: a bucket, CONTAINER@ACCOUNT..., a host.
        settings: Hadoop's settings by name.
    """
    protocol = PROTOCOLS[scheme.lower()]
    if protocol == "s3":
        return _s3_options(authority, settings)
    if protocol == "abfs":
        return _azure_options(authority, settings)
    if protocol == "gs":
        return _google_options(settings)
    host, _, port = authority.partition(":")
    return {"host": host or "default", "port": int(port or 0)}


def s3_setting(bucket: str, settings: Settings, name: str) -> str:
    """Returns a setting `fs.s3a.NAME` of a bucket, or of all buckets; "" if neither is given."""
    of_bucket = settings.get(f"fs.s3a.bucket.{bucket}.{name}")
    return of_bucket or settings.get(f"fs.s3a.{name}", "")


def s3_endpoint(bucket: str, settings: Settings) -> str:
    """Returns the URL of the S3 service that has a bucket; "" for that of AWS."""
    endpoint = s3_setting(bucket, settings, "endpoint")
    if not endpoint or "://" in endpoint:
        return endpoint
    is_plain = s3_setting(bucket, settings, "connection.ssl.enabled").lower() == "false"
    return f"{'http' if is_plain else 'https'}://{endpoint}"


def s3_encryption(bucket: str, settings: Settings) -> dict[str, str]:
    """Returns how a bucket encrypts what is written, as arguments of S3; {} for its own way.

    Raises:
        InputError: Python cannot write with the algorithm.
    """
    algorithm = s3_setting(bucket, settings, "encryption.algorithm").upper()
    if not algorithm:
        return {}
    if algorithm not in ENCRYPTIONS:
        raise InputError(
            f"fs.s3a.encryption.algorithm is {algorithm}: Python can write with "
            + " or ".join(ENCRYPTIONS)
        )
    found = {"ServerSideEncryption": ENCRYPTIONS[algorithm]}
    if key := s3_setting(bucket, settings, "encryption.key"):
        found |= {"SSEKMSKeyId": key} if found["ServerSideEncryption"] == "aws:kms" else {}
    return found


def _s3_options(bucket: str, settings: Settings) -> dict[str, Any]:
    def get(name: str) -> str:
        return s3_setting(bucket, settings, name)

    attempts = get("attempts.maximum") or str(ATTEMPTS)
    if not attempts.isdigit() or not int(attempts):
        raise InputError(f"fs.s3a.attempts.maximum is {attempts!r}: want a whole number from 1 on")
    config: dict[str, Any] = {
        "connect_timeout": seconds(get("connection.establish.timeout")) or CONNECT_TIMEOUT_S,
        "read_timeout": seconds(get("connection.timeout")) or READ_TIMEOUT_S,
        "retries": {"mode": "standard", "total_max_attempts": int(attempts)},
    }
    if get("path.style.access").lower() == "true":
        config["s3"] = {"addressing_style": "path"}
    client = {"endpoint_url": s3_endpoint(bucket, settings), "region_name": get("endpoint.region")}
    keys = {
        "key": get("access.key"),
        "secret": get("secret.key"),
        "token": get("session.token"),
        "anon": "Anonymous" in get("aws.credentials.provider"),
    }
    return {
        "s3_additional_kwargs": s3_encryption(bucket, settings),
        "client_kwargs": {name: value for name, value in client.items() if value},
        "config_kwargs": config,
        **{name: value for name, value in keys.items() if value},
    }


def _azure_options(authority: str, settings: Settings) -> dict[str, Any]:
    host = authority.rpartition("@")[2]

    def get(name: str) -> str:
        return settings.get(f"fs.azure.account.{name}.{host}") or settings.get(
            f"fs.azure.account.{name}", ""
        )

    # The endpoint is .../TENANT/oauth2/token.
    tenant = urlsplit(get("oauth2.client.endpoint")).path.strip("/").partition("/")[0]
    options = {
        "account_name": host.partition(".")[0],
        "account_key": get("key"),
        "client_id": get("oauth2.client.id"),
        "client_secret": get("oauth2.client.secret"),
        "tenant_id": tenant,
    }
    given = {name: value for name, value in options.items() if value}
    is_anonymous = set(given) == {"account_name"}  # Then the machine's own identity is asked.
    return {**given, "anon": False} if is_anonymous else given


def _google_options(settings: Settings) -> dict[str, Any]:
    options = {
        "project": settings.get("fs.gs.project.id"),
        "token": settings.get("fs.gs.auth.service.account.json.keyfile"),
    }
    return {name: value for name, value in options.items() if value}


def seconds(text: str) -> float:
    """Returns a time as Hadoop writes it, such as "200s" or "5000" (milliseconds); 0 for "".

    Raises:
        InputError: the text is no time.
    """
    if not text.strip():
        return 0.0
    found = re.fullmatch(r"(\d+)\s*(ms|s|m|h)?", text.strip().lower())
    if found is None:
        raise InputError(f"a time-out of fs.s3a is {text!r}: want a number with ms, s, m or h")
    return int(found[1]) * _UNITS_S[found[2] or ""]
