import json
from pathlib import Path

import pytest

from devise_lib.config.photos import IngestPhotos
from devise_lib.config.words import ParseWikipedia
from devise_lib.run_record import (
    InputState,
    JobRecord,
    file_state,
    fingerprint,
    forget_record,
    read_inputs,
    read_record,
    write_record,
)


@pytest.fixture
def dump(tmp_path) -> Path:
    path = tmp_path / "in" / "dump.xml"
    path.parent.mkdir()
    path.write_text("<mediawiki/>")
    return path


def unknown(name: str) -> InputState:
    """The state of a table of a catalog that cannot be asked."""
    return InputState(name, unknown="there is no catalog")


def print_of(config) -> str:
    return fingerprint(config, read_inputs(config, unknown))


def leave_record(work: Path, job: str, run_id: str, result_of: str) -> None:
    write_record(str(work), JobRecord(job, run_id, "f", 1.0, {"rows": 3}, 5.0, result_of))


def test_a_fingerprint_changes_with_all_that_a_result_depends_on(tmp_path, dump):
    work = tmp_path / "w"
    config = ParseWikipedia(work_dir=str(work), dump=str(dump))
    seen = [print_of(config)]

    def changed() -> bool:
        seen.append(print_of(config))
        return seen[-1] not in seen[:-1]

    assert not changed()
    config = config.model_copy(update={"namespaces": (0, 1)})
    assert changed()
    config = config.model_copy(update={"seed": 3})
    assert changed()
    dump.write_text("<mediawiki></mediawiki>")
    assert changed()
    leave_record(work, "make_sample", "run-1", "run-1")
    assert changed()
    leave_record(work, "make_sample", "run-2", "run-2")
    assert changed()
    leave_record(work, "make_sample", "run-3", "run-2")  # it found nothing to do
    assert not changed()
    leave_record(work, "evaluate", "run-9", "run-9")  # not what this job reads from
    assert not changed()


def test_a_fingerprint_sees_a_new_file_deep_in_an_input_folder(tmp_path, dump):
    config = ParseWikipedia(work_dir=str(tmp_path / "w"), dump=str(dump.parent))
    (dump.parent / "deep").mkdir()
    before = print_of(config)
    (dump.parent / "deep" / "more.xml").write_text("x")
    assert print_of(config) != before


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_a_fingerprint_sees_a_changed_file_however_its_path_is_written(tmp_path, dump, prefix):
    """Kind of fault: a path of another form is never found, and so never changes."""
    config = ParseWikipedia(work_dir=str(tmp_path / "w"), dump=f"{prefix}{dump}")
    before = print_of(config)
    assert print_of(config) == before
    dump.write_text("<mediawiki><page/></mediawiki>")
    assert print_of(config) != before


def test_an_input_in_a_store_is_compared_by_its_files_and_their_etags(bucket, s3_files):
    """Kind of fault: an input that is out of reach counts as unchanged, or as changed for ever."""
    folder = f"s3a://{bucket}/in"
    for name in ("a.xml", "below/b.xml"):
        s3_files.write(f"{folder}/{name}", b"first")
    config = ParseWikipedia(dump=folder)
    before = print_of(config)
    assert print_of(config) == before
    [state] = read_inputs(config, unknown)
    assert (state.files, state.size, state.unknown) == (2, 10, "")
    same_size = s3_files.status(f"{folder}/a.xml")
    s3_files.write(f"{folder}/a.xml", b"other")
    assert s3_files.status(f"{folder}/a.xml").size == same_size.size
    assert print_of(config) != before
    same = ParseWikipedia(dump=folder.replace("s3a:", "s3:"))
    now, again = ([s.etags for s in read_inputs(c, unknown)] for c in (config, same))
    assert len(now) == len(again) == 1
    assert print_of(config) == print_of(same)  # both schemes name the same
    one = file_state(f"{folder}/a.xml")
    assert (one.files, one.size) == (1, 5)
    assert file_state(f"{folder}/*.xml").files == 2  # all that a pattern may match
    assert file_state(f"{folder}/none") == InputState(f"{folder}/none")


@pytest.mark.parametrize("path", ["s3a://no-such-bucket/in", "dbfs:/in"])
def test_what_cannot_be_compared_counts_as_changed_and_says_why(s3_files, path):  # noqa: ARG001
    config = ParseWikipedia(dump=path)
    [state] = read_inputs(config, unknown)
    assert path in state.unknown
    assert print_of(config) != print_of(config)


def test_tables_of_a_catalog_are_compared_by_their_version(tmp_path):
    columns = {"content": "jpg", "path": "file"}
    source = [{"path": "main.db.photos", "kind": "table", "name": "t", "columns": columns}]
    config = IngestPhotos(work_dir=str(tmp_path), source=source)
    states = {
        version: read_inputs(config, lambda name, v=version: InputState(name, version=v))
        for version in ("id 1", "id 2")
    }
    assert [state.path for state in states["id 1"]] == ["main.db.photos"]
    assert len({fingerprint(config, state) for state in states.values()}) == 2
    assert fingerprint(config, states["id 1"]) == fingerprint(config, states["id 1"])
    assert print_of(config) != print_of(config)  # no version is known


def test_a_fingerprint_does_not_change_with_where_the_results_lie(tmp_path, dump):
    prints = {
        print_of(ParseWikipedia(work_dir=str(tmp_path / w), dump=str(dump), tracking_uri=uri))
        for w in ("one", "two")
        for uri in ("", "sqlite:///x")
    }
    assert len(prints) == 1


def test_a_job_that_never_finished_has_no_record(tmp_path):
    assert read_record(str(tmp_path), "evaluate") is None


def test_a_record_is_read_as_it_was_written_until_it_is_forgotten(tmp_path):
    record = JobRecord("evaluate", "run-1", "f", 1.5, {"rows": 12345, "left out": 2}, 5.0, "run-0")
    write_record(str(tmp_path), record)
    assert read_record(str(tmp_path), "evaluate") == record
    assert record.row_text() == "12,345 rows, 2 left out"
    forget_record(str(tmp_path), "evaluate")
    forget_record(str(tmp_path), "evaluate")  # where there is none
    assert read_record(str(tmp_path), "evaluate") is None


@pytest.mark.parametrize("text", ["", '{"job": "evaluate"', "[]", '{"run_id": "r", "new": 1}'])
def test_a_record_that_was_cut_off_or_is_of_another_version_counts_as_none(tmp_path, text):
    """A file that a later run trusts is whole, or the later run does without it."""
    leave_record(tmp_path, "evaluate", "run-1", "run-1")
    (tmp_path / "runs" / "evaluate.json").write_text(text)
    assert read_record(str(tmp_path), "evaluate") is None


def test_a_run_that_ends_while_it_writes_its_record_leaves_the_one_before(tmp_path, monkeypatch):
    """A record is written as a whole, beside its place, and then put there at once."""
    leave_record(tmp_path, "evaluate", "run-1", "run-1")

    def end_early(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", end_early)
    with pytest.raises(KeyboardInterrupt):
        leave_record(tmp_path, "evaluate", "run-2", "run-2")
    monkeypatch.undo()
    assert read_record(str(tmp_path), "evaluate").run_id == "run-1"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["evaluate.json"]


def test_a_record_of_an_earlier_version_has_results_of_its_own(tmp_path):
    leave_record(tmp_path, "evaluate", "run-1", "run-0")
    path = tmp_path / "runs" / "evaluate.json"
    found = json.loads(path.read_text())
    del found["result_of"]
    path.write_text(json.dumps(found))
    assert read_record(str(tmp_path), "evaluate").result_of == "run-1"
