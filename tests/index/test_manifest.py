import json
from dataclasses import asdict, fields, replace

import pytest

from devise_lib.errors import InputError
from devise_lib.index.manifest import FileAbout, Manifest, StepCost
from devise_lib.index.settings import Point, SearchSettings
from tests.index.built import manifest_of, segment_of

FULL = manifest_of(
    n=230,
    segments=(
        replace(segment_of("base", 0, 200), sections=(0, 90)),
        segment_of("delta-000001", 200, 40),
    ),
    removed=10,
    curve=(Point(SearchSettings(1), 0.5, 0.4, 0.6, 9.5, 0.1),) * 2,
    costs={"shards": StepCost(4, 12.5, 2**30)},
    files={"base/index.faiss": FileAbout(123, "ab" * 32), "base/ids.npy": FileAbout(4, "cd" * 32)},
    drift={"imbalance": 1.5},
    due="compact",
    words=3,
    labels=1,
)


@pytest.mark.parametrize("manifest", [manifest_of(), FULL])
def test_a_manifest_is_read_as_it_was_written(manifest):
    assert Manifest.from_json(manifest.to_json("import faiss\n"), "x") == manifest
    assert Manifest.from_json(manifest.to_json("").encode(), "x") == manifest


def test_the_text_is_json_with_every_attribute_and_the_program():
    values = json.loads(FULL.to_json("import faiss\nprint()\n"))
    assert values["how_to_query"] == ["import faiss", "print()"]
    assert values.keys() - {"how_to_query"} == {field.name for field in fields(Manifest)}
    assert values["segments"][1]["first_row"] == 200


def test_rows_are_those_of_all_segments_removed_ones_included():
    assert (FULL.rows, FULL.n) == (240, 230)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "7", '"text"', "{}", b"\x80\xff", b"\xff\xfe"),
        *('{"format": 1}', '{"format": "2"}', '{"format": 2}'),
        '{"format": 2, "how_to_query": []}',
    ],
)
def test_what_is_no_manifest_is_refused_and_says_what_to_do(text):
    with pytest.raises(InputError, match=r"^x/manifest\.json .*: run build_index again"):
        Manifest.from_json(text, "x/manifest.json")


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest)])
def test_a_manifest_that_lacks_an_attribute_is_refused(name):
    values = json.loads(FULL.to_json(""))
    del values[name]
    with pytest.raises(InputError, match="run build_index again"):
        Manifest.from_json(json.dumps(values), "x")


@pytest.mark.parametrize(
    "changes",
    [
        *({"settings": 3}, {"settings": {"nprobe": 1, "other": 2}}, {"point": []}, {"curve": 3}),
        *(
            {"segments": [{"name": "base"}]},
            {"segments": {"base": 1}},
            {"costs": [1]},
            {"files": {"a": 1}},
        ),
        {"unknown": 1},
    ],
)
def test_a_manifest_with_something_else_in_an_attribute_is_refused(changes):
    values = {**json.loads(FULL.to_json("")), **changes}
    with pytest.raises(InputError, match="run build_index again"):
        Manifest.from_json(json.dumps(values), "x")


def test_another_format_is_named():
    values = {**json.loads(FULL.to_json("")), "format": 1}
    with pytest.raises(InputError, match="x has format 1, want 3: run build_index again"):
        Manifest.from_json(json.dumps(values), "x")


def test_the_name_of_a_bundle_is_of_model_version_and_contents():
    name = FULL.bundle_name()
    assert name.startswith("devise-v1-v3-")
    same = {"run_id": "other", "point": replace(FULL.point, queries_per_s=1.0), "costs": {}}
    for key, value in same.items():
        assert replace(FULL, **{key: value}).bundle_name() == name
    other = {
        "files": {**FULL.files, "base/ids.npy": FileAbout(4, "ef" * 32)},
        "recall_target": 0.8,
        "max_latency_ms": 3.0,
        "k": 9,
        "table_version": 4,
        "model_id": "devise-v2",
    }
    names = {replace(FULL, **{key: value}).bundle_name() for key, value in other.items()}
    assert len(names | {name}) == len(other) + 1


def test_the_order_of_files_does_not_change_the_name():
    turned = dict(reversed(list(FULL.files.items())))
    assert replace(FULL, files=turned).bundle_name() == FULL.bundle_name()


def test_the_quality_is_a_line():
    line = FULL.quality()
    assert "recall@5 0.980 (0.970 to 0.990), 1,000 queries/s on 2 threads, 0.50 ms" in line
    assert line.count("\n") == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (SearchSettings(7), "nprobe=7"),
        (SearchSettings(7, 64), "nprobe=7,quantizer_efSearch=64"),
        (SearchSettings(7, 64, 4), "nprobe=7,quantizer_efSearch=64,k_factor_rf=4"),
        (SearchSettings(7, 0, 4), "nprobe=7,k_factor_rf=4"),
    ],
)
def test_settings_are_written_as_faiss_takes_them(settings, text):
    assert str(settings) == text
    assert Point.from_dict(asdict(replace(FULL.point, settings=settings))).settings == settings
