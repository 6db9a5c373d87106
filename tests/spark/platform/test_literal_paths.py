import pytest

from devise_lib.spark.platform.literal_paths import wants_own_reader


@pytest.mark.parametrize(
    ("path", "alone"),
    [
        ("/work/a.parquet", False),
        ("/work/[1]/a.parquet", False),
        ("/work/10:30/a.parquet", False),
        ("file:/work/[1]/a.parquet", False),
        ("file:///work/{x}/a?.parquet", False),
        ("hdfs://node:9000/work/[1]/a.parquet", False),
        ("s3a://bucket/[1]/a.parquet", False),
        ("/work/10:30/[1].parquet", True),
        ("/work/[1]/10:30.parquet", True),
        ("file:/work/10:30 [1]/a.parquet", True),
        ("hdfs://node:9000/10:30/*.parquet", True),
    ],
)
def test_a_path_is_read_alone_only_for_a_colon_of_its_own(path, alone):
    """The kind of fault: each file of a batch gets a reader, since all their URIs have a colon."""
    assert wants_own_reader(path) == alone
