import pytest

from devise_lib.paths import absolute, is_remote


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("s3a://bucket/d.xml", True),
        ("dbfs:/dumps/d.xml", True),
        ("abfss://c@account.dfs.core.windows.net/d", True),
        ("viewfs://t/d", True),
        ("/data/d.xml", False),
        ("d-multistream1.xml-p1p9.bz2", False),
        ("a:b/d.xml", False),
        ("file:/data/d.xml", False),
        ("file:///data/d.xml", False),
    ],
)
def test_knows_what_is_not_a_local_path(path, remote):
    assert is_remote(path) == remote


def test_makes_local_paths_absolute_and_leaves_uris(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("d.xml") == absolute(f"file:{tmp_path}/d.xml") == f"{tmp_path}/d.xml"
    assert absolute("file:///data/d.xml") == "/data/d.xml"
    assert absolute("s3a://bucket/d.xml") == "s3a://bucket/d.xml"
