import pytest

from devise_lib.config.sample import MakeSample
from devise_lib.spark import sample
from devise_lib.spark.sample import write_in_tasks
from jobs import make_sample

pytestmark = pytest.mark.spark


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_files_are_the_same_whatever_the_number_of_tasks(spark, tmp_path, monkeypatch):
    for name, photos_a_task in (("one", 250), ("many", 5)):
        monkeypatch.setattr(sample, "PHOTOS_PER_TASK", photos_a_task)
        assert write_in_tasks(spark, str(tmp_path / name), 3, 23, seed=8) == 23
    one, many = files(tmp_path / "one"), files(tmp_path / "many")
    assert one == many
    assert len(one) == 23 + 2  # with the dump and its index


def test_the_job_writes_the_whole_sample(spark, tmp_path):
    config = MakeSample(folder=str(tmp_path / "deep" / "sample"), articles=100, photos=200, seed=3)
    assert make_sample.run(spark, config) == {"articles": 100, "photos": 200}
    written = files(tmp_path / "deep" / "sample")
    broken = written["broken.tsv"].decode().splitlines()[1:]
    photos = [name for name in written if name.startswith("photos/")]
    assert len(photos) == 200 + len(broken)
    assert {"labels.tsv", "hierarchy.txt", "similarities.tsv"} < set(written)
    assert sum(name.startswith("wiki/") for name in written) == 2
