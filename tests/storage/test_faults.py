"""What a store's faults become, with a server that really fails between the project and S3."""

import logging
import re

import pytest

from devise_lib.storage import faults
from devise_lib.storage.faults import StoreError, fault_of
from devise_lib.storage.remote import RemoteFiles

DATA = bytes(range(251)) * 400


@pytest.fixture(scope="module")
def bucket(make_bucket) -> str:
    return make_bucket()


@pytest.fixture
def path(bucket, s3_client) -> str:
    """A file that is in the store."""
    s3_client.put_object(Bucket=bucket, Key="folder/data.bin", Body=DATA)
    s3_client.delete_object(Bucket=bucket, Key="folder/data.bin.created")
    return f"s3a://{bucket}/folder/data.bin"


@pytest.fixture(scope="module")
def files(flaky, bucket, s3_settings) -> RemoteFiles:
    """The files of the store through the server that fails; they give up after seconds."""
    quick = {
        "fs.s3a.endpoint": flaky.url,
        "fs.s3a.attempts.maximum": "2",
        "fs.s3a.connection.timeout": "1s",
    }
    return RemoteFiles("s3a", bucket, {**s3_settings, **quick}, piece_bytes=20_000)


def read_all(files: RemoteFiles, path: str) -> bytes:
    with files.open_range(path, 0, len(DATA)) as opened:
        return b"".join(iter(lambda: opened.read(1 << 20), b""))


REQUESTS = {
    "status": lambda files, path: files.status(path),
    "read": lambda files, path: files.read(path),
    "ranges": read_all,
    "list": lambda files, path: files.children(path.rpartition("/")[0]),
    "write": lambda files, path: files.write(f"{path}.new", b"x"),
    "create": lambda files, path: files.create(f"{path}.created", b"x"),
    "remove": lambda files, path: files.remove(path),
}


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "AccessDenied", "the store denies access: allow the role", "denied"),
        (400, "ExpiredToken", "the credentials have expired: renew them", "outage"),
        (403, "InvalidAccessKeyId", "does not know these credentials: correct them", "outage"),
        (404, "NoSuchBucket", "there is no such bucket: create it", "other"),
        (400, "IllegalLocationConstraintException", r"set fs\.s3a\.endpoint\.region", "other"),
    ],
)
def test_a_refusal_is_one_line_with_the_path_and_what_to_do(
    files, flaky, path, request_of, status, code, message, kind
):
    with (
        flaky.failing(status=status, code=code),
        pytest.raises(StoreError, match=message) as raised,
    ):
        request_of(files, path)
    said = str(raised.value)
    assert said.startswith(path.rpartition("/")[0])
    assert said.endswith(f"({code})")
    assert "\n" not in said
    assert raised.value.kind == kind


@pytest.mark.parametrize("name", ["status", "ranges", "create"])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "code": "InternalError"},
        {"status": 503, "code": "SlowDown"},
        {"delay_s": 1.5},
    ],
    ids=["500", "busy", "slow"],
)
def test_a_fault_that_passes_costs_a_retry(files, flaky, path, name, fault):
    before = flaky.requests
    with flaky.failing(times=1, **fault):
        REQUESTS[name](files, path)
    assert flaky.requests > before + 1


def test_an_answer_that_breaks_off_is_asked_for_again(files, flaky, path, tmp_path):
    with flaky.failing(times=2, cut=True):
        assert read_all(files, path) == DATA
    with flaky.failing(times=2, cut=True, only=lambda method, _: method == "GET"):
        files.download(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 500, "code": "InternalError"}, r"failed or was too busy.*\(InternalError\)"),
        ({"status": 503, "code": "SlowDown"}, r"failed or was too busy.*\(SlowDown\)"),
        ({"delay_s": 2.0}, "the store does not answer, also when asked again"),
    ],
    ids=["500", "busy", "slow"],
)
def test_a_fault_that_stays_is_told_after_a_bounded_time(files, flaky, path, fault, message):
    before = flaky.requests
    with flaky.failing(**fault), pytest.raises(StoreError, match=message) as raised:
        files.read(path)
    assert raised.value.kind == "outage"
    assert flaky.requests - before <= 2  # fs.s3a.attempts.maximum


def test_a_store_that_refuses_connections_is_told_and_found_again(files, flaky, path):
    flaky.refuse()
    try:
        with pytest.raises(StoreError, match=r"the store does not answer.*check the network"):
            files.status(path)
    finally:
        flaky.listen()
    assert files.status(path).size == len(DATA)


def test_a_refused_deletion_is_no_success(files, path, monkeypatch):
    """S3 answers that all went well, and names the files that it kept."""
    kept = {"Errors": [{"Key": "folder/data.bin", "Code": "AccessDenied"}]}
    call = type(files.filesystem).call_s3
    monkeypatch.setattr(
        type(files.filesystem),
        "call_s3",
        lambda self, name, **asked: kept if name == "delete_objects" else call(self, name, **asked),
    )
    with pytest.raises(StoreError, match=rf"{path}: the store denies access"):
        files.remove(path)


def test_a_missing_file_is_asked_for_without_the_right_to_list_the_bucket(files, flaky, path):
    """Roles are often limited to a prefix: to list more than that is denied."""
    other = path.replace("data.bin", "none.bin")
    deny = {"status": 403, "code": "AccessDenied"}

    def lists_the_bucket(_, asked):
        return "list-type=2" in asked and "prefix=folder" not in asked

    with flaky.failing(**deny, only=lists_the_bucket):
        assert files.status(other) is None
        assert files.read(other) is None
        files.remove(other)


def test_without_credentials_the_ways_to_give_some_are_named(
    bucket, s3_server, monkeypatch, tmp_path
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    settings = {"fs.s3a.endpoint": s3_server, "fs.s3a.path.style.access": "true"}
    with pytest.raises(StoreError, match="there are no credentials: give this machine a role"):
        RemoteFiles("s3a", bucket, settings).status(f"s3a://{bucket}/x")


def test_a_slow_store_is_logged(files, flaky, path, monkeypatch, caplog):
    monkeypatch.setattr(faults, "SLOW_S", 0.2)
    with flaky.failing(times=1, delay_s=0.3), caplog.at_level(logging.WARNING, faults.__name__):
        files.read(path)
    [record] = caplog.records
    assert re.fullmatch(rf"{path}: the store took \d+ s, with its retries", record.getMessage())


def test_the_first_cause_that_is_known_is_named():
    wrapped = RuntimeError("a library's own")
    wrapped.__cause__ = TimeoutError("no answer")
    assert fault_of(wrapped) == "TimeoutError"
    assert fault_of(KeyError("x")) == "KeyError"
