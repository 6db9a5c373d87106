import pytest

from devise_lib.errors import InputError
from devise_lib.storage.settings import (
    ATTEMPTS,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    fsspec_options,
    is_store,
    s3_encryption,
    seconds,
)


def test_without_settings_the_stores_own_chain_is_asked_within_bounds():
    assert fsspec_options("s3a", "b", {}) == {
        "s3_additional_kwargs": {},
        "client_kwargs": {},
        "config_kwargs": {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        },
    }
    assert fsspec_options("gs", "b", {}) == {}
    assert fsspec_options("abfss", "c@account.dfs.core.windows.net", {}) == {
        "account_name": "account",
        "anon": False,
    }


def test_settings_of_s3_are_taken_over_those_of_a_bucket_first():
    settings = {
        "fs.s3a.endpoint": "minio:9000",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.path.style.access": "TRUE",
        "fs.s3a.access.key": "k",
        "fs.s3a.secret.key": "s",
        "fs.s3a.connection.timeout": "3000",
        "fs.s3a.connection.establish.timeout": "2s",
        "fs.s3a.attempts.maximum": "7",
        "fs.s3a.bucket.other.endpoint": "https://other.example.com",
        "fs.s3a.bucket.other.endpoint.region": "eu-west-1",
    }
    options = fsspec_options("s3", "b", settings)
    assert (options["key"], options["secret"]) == ("k", "s")
    assert options["client_kwargs"] == {"endpoint_url": "http://minio:9000"}
    assert options["config_kwargs"] == {
        "connect_timeout": 2.0,
        "read_timeout": 3.0,
        "retries": {"mode": "standard", "total_max_attempts": 7},
        "s3": {"addressing_style": "path"},
    }
    assert fsspec_options("s3", "other", settings)["client_kwargs"] == {
        "endpoint_url": "https://other.example.com",
        "region_name": "eu-west-1",
    }
    anonymous = "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"
    assert fsspec_options("s3", "b", {"fs.s3a.aws.credentials.provider": anonymous})["anon"] is True


def test_settings_of_azure_and_google_are_taken_over():
    host = "account.dfs.core.windows.net"
    found = fsspec_options(
        "abfss",
        f"c@{host}",
        {
            f"fs.azure.account.oauth2.client.id.{host}": "id",
            "fs.azure.account.oauth2.client.secret": "secret",
            "fs.azure.account.oauth2.client.endpoint": "https://login.example.com/TENANT/oauth2/token",
        },
    )
    assert found == {
        "account_name": "account",
        "client_id": "id",
        "client_secret": "secret",
        "tenant_id": "TENANT",
    }
    key_file = {"fs.gs.auth.service.account.json.keyfile": "/keys.json", "fs.gs.project.id": "p"}
    assert fsspec_options("gs", "b", key_file) == {"token": "/keys.json", "project": "p"}
    assert fsspec_options("hdfs", "host:8020", {}) == {"host": "host", "port": 8020}
    assert fsspec_options("hdfs", "", {}) == {"host": "default", "port": 0}


@pytest.mark.parametrize(
    ("algorithm", "found"),
    [
        ("", {}),
        ("SSE-S3", {"ServerSideEncryption": "AES256"}),
        ("sse-kms", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"}),
    ],
)
def test_what_is_written_is_encrypted_as_spark_does_it(algorithm, found):
    settings = {"fs.s3a.encryption.algorithm": algorithm, "fs.s3a.encryption.key": "key"}
    assert s3_encryption("b", settings) == found
    assert fsspec_options("s3a", "b", settings)["s3_additional_kwargs"] == found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("encryption.algorithm", "SSE-C", "SSE-C: Python can write with SSE-S3"),
        ("attempts.maximum", "many", "attempts.maximum is 'many': want a whole number"),
        ("attempts.maximum", "0", "attempts.maximum is '0'"),
        ("connection.timeout", "soon", "is 'soon': want a number with ms, s, m or h"),
    ],
)
def test_settings_that_python_cannot_follow_are_told(name, value, message):
    with pytest.raises(InputError, match=message):
        fsspec_options("s3a", "b", {f"fs.s3a.{name}": value})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", 0.0), ("1500", 1.5), ("250ms", 0.25), ("3 s", 3.0), ("2m", 120.0), ("1H", 3600.0)],
)
def test_times_are_read_as_hadoop_writes_them(text, wanted):
    assert seconds(text) == wanted


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("s3a://b/x", True),
        ("S3://b", True),
        ("abfss://c@a.dfs.core.windows.net/x", True),
        ("hdfs:///x", True),
        ("s3:///x", False),
        ("s3:/b/x", False),
        ("dbfs:/x", False),
        ("ftp://b/x", False),
        ("/b/x", False),
    ],
)
def test_a_uri_of_a_store_names_its_bucket(uri, wanted):
    assert is_store(uri) is wanted
