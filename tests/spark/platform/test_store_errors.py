"""Faults of a store as Spark tells them: the text of an exception, without a session."""

import pytest

from devise_lib.spark.platform.stores import store_error_of

FRAMES = """
\tat org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:292)
\tat java.net.ConnectException.frame(ConnectException.java:1)
\t... 20 more"""


@pytest.mark.parametrize(
    ("text", "message", "kind"),
    [
        (
            "org.apache.hadoop.fs.s3a.AWSBadRequestException: getFileStatus on s3a://b/w/tables/x: "
            "software.amazon.awssdk.services.s3.model.S3Exception: The token has expired (Service: "
            "S3, Status Code: 400):ExpiredToken: no",
            r"^s3a://b/w/tables/x: the credentials have expired",
            "outage",
        ),
        (
            "java.nio.file.AccessDeniedException: s3a://b/w: open s3a://b/w at 0: "
            "software.amazon.awssdk.services.s3.model.S3Exception: null (Status Code: 403)",
            r"^s3a://b/w: the store denies access",
            "denied",
        ),
        (
            "org.apache.hadoop.fs.s3a.UnknownStoreException: `s3a://none/': bucket does not exist",
            r"^s3a://none/`?: there is no such bucket|^s3a://none/: there is no such bucket",
            "other",
        ),
        (
            "org.apache.hadoop.net.ConnectTimeoutException: getFileStatus on s3a://b/w: timed out",
            r"^s3a://b/w: the store does not answer",
            "outage",
        ),
    ],
)
def test_what_hadoop_says_is_the_line_that_python_says(text, message, kind):
    error = RuntimeError(f"An error occurred while calling o1.save.\n: {text}{FRAMES}")
    found = store_error_of(error)
    assert found is not None
    assert found.kind == kind
    with pytest.raises(type(found), match=message):
        raise found


@pytest.mark.parametrize(
    "text",
    [
        "java.lang.NullPointerException: null" + FRAMES,  # frames of the store's classes, no fault
        "[PATH_NOT_FOUND] Path does not exist: s3a://b/x",
        "org.apache.spark.SparkException: AccessDenied by something else",
    ],
)
def test_another_error_stays_what_it_is(text):
    assert store_error_of(RuntimeError(text)) is None
