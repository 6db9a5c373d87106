"""Errors of object stores as one line each: what was wrong, with which path, and what to do."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from devise_lib.errors import InputError

LOG = logging.getLogger(__name__)
SLOW_S = 10.0  # a request that takes longer, with its retries, is logged

_NO_BUCKET = ("NoSuchBucket", "InvalidBucketName", "ContainerNotFound", "FilesystemNotFound")
_DENIED = ("AccessDenied", "AllAccessDisabled", "AuthorizationFailure", "403", "Forbidden")
_CLOCK = ("RequestTimeTooSkewed",)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed")
_REGION = (
    *("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
    *("IncorrectEndpoint", "301"),
)
_BUSY = (
    *("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "TooManyRequests"),
    *("429", "500", "502", "503", "504"),
)
_BROKEN_OFF = (
    *("ResponseStreamingError", "IncompleteRead", "ClientPayloadError"),
    *("SocketTimeoutError", "FSTimeoutError"),  # while the body is read
)
_NO_ANSWER = (
    *(
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ConnectionClosedError",
    ),
    *("HTTPClientError", "TimeoutError", "ClientConnectorError"),
    *("ServiceRequestError", *_BROKEN_OFF),
)
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
_CERTIFICATE = ("SSLError",)
_OUTAGES = (_EXPIRED, _UNKNOWN, _CLOCK, _BUSY, _NO_ANSWER, _NO_CREDENTIALS, _CERTIFICATE)

REMEDIES = {  # names of codes and of exceptions -> what is wrong, and what to do
    _NO_BUCKET: "there is no such bucket: create it, or correct the path",
    _DENIED: "the store denies access: allow the role or user of this process to use this path",
    _EXPIRED: "the credentials have expired: renew them and run the job again",
    _UNKNOWN: "the store does not know these credentials: correct them",
    _REGION: "the bucket is in another region, or the endpoint is another store's: set "
    "fs.s3a.endpoint.region, and fs.s3a.endpoint where the store is not AWS",
    _CLOCK: "this machine's clock differs too much from the store's: set it",
    _BUSY: "the store failed or was too busy, also when asked again: run the job again later",
    _NO_ANSWER: "the store does not answer, also when asked again: check the network, and "
    "fs.s3a.endpoint where the store is not AWS",
    _NO_CREDENTIALS: "there are no credentials: give this machine a role, or set the store's "
    "variables, or fs.s3a.access.key and secret.key",
    _CERTIFICATE: "the store's certificate is not trusted: set AWS_CA_BUNDLE for Python, and a "
    "trust store for Java",
}


Kind = Literal["denied", "gone", "outage", "other"]


class StoreError(InputError):
    """An object store refused a request, or did not answer.

    Attributes:
        kind: "denied" and "gone" concern one file, so others may be readable. In an "outage" the
            store serves nothing to this process: it does not answer, or credentials are at fault.
    """

    def __init__(self, message: str, kind: Kind = "other") -> None:
        super().__init__(message)
        self.kind = kind


class NoConditionError(StoreError):
    """The store does not write a file only if there is none, so it can hold no lease."""


@contextmanager
def store_errors(path: str) -> Iterator[None]:
    """Turns the errors of a request about `path` into StoreError.

    FileNotFoundError and FileExistsError are answers and pass, unless it is the bucket that is
    missing. A request that took longer than SLOW_S, because of its retries, is logged.
    """
    started = time.monotonic()
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        name = fault_of(error)
        if isinstance(error, FileNotFoundError | FileExistsError) and name not in _NO_BUCKET:
            raise
        raise describe(path, name, error) from error
    finally:
        if (took_s := time.monotonic() - started) > SLOW_S:
            LOG.warning("%s: the store took %.0f s, with its retries", path, took_s)


def fault_of(error: BaseException) -> str:
    """Returns the store's code of an error, such as "NoSuchBucket"; else the exception's name.

    Libraries wrap the store's error, so the chain of causes is looked through.
    """
    names = []
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if isinstance(response, dict) and "Error" in response:
            return str(response["Error"].get("Code", ""))
        if code := getattr(seen, "error_code", ""):  # of Azure
            return str(code)
        names.append(type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    known = (name for name in names if any(name in group for group in REMEDIES))
    return next(known, names[0])


def breaks_off(error: BaseException) -> bool:
    """Returns whether an answer of a store began and did not end."""
    return fault_of(error) in _BROKEN_OFF


def describe(path: str, name: str, error: BaseException | None = None) -> StoreError:
    """Returns the error to raise for a fault.

    Args:
        path: that the request was about.
        name: of `fault_of`.
        error: as the library raised it; None if the store answered in another way.
    """
    for group, remedy in REMEDIES.items():
        if name in group:
            kind: Kind = "denied" if group is _DENIED else "other"
            return StoreError(f"{path}: {remedy} ({name})", "outage" if group in _OUTAGES else kind)
    said = str(error or "no reason").partition("\n")[0]
    kind = "denied" if isinstance(error, PermissionError) else "other"
    return StoreError(f"{path}: the store answers {name}: {said}", kind)
