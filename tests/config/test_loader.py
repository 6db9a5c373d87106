import re
from pathlib import Path

import pytest

from devise_lib.config.loader import COMMON_KEYS, JOB_TYPES, RENAMED, load_settings
from devise_lib.config.registry import JOBS
from devise_lib.errors import ConfigError

ROOT = Path(__file__).parents[2]
EVERY_JOB = list(JOB_TYPES)


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        path = tmp_path / "some.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def dump(tmp_path) -> Path:
    path = tmp_path / "dump.xml"
    path.touch()
    return path


def faults_of(path: Path, overrides=(), jobs=()) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_settings(path, overrides, jobs)
    first, *faults = str(raised.value).splitlines()
    assert first == f"{path} cannot be used:"
    return faults


def test_common_keys_reach_every_job_and_a_table_sets_its_own(write, dump):
    path = write(f"seed = 7\n[parse_wikipedia]\ndump = '{dump}'\ntasks = 3\n")
    settings = load_settings(path, [], ["parse_wikipedia"])
    job = settings.jobs["parse_wikipedia"]
    assert (job.seed, job.tasks, job.dump) == (7, 3, str(dump))
    assert settings.common.seed == 7
    assert list(settings.jobs) == ["parse_wikipedia"]


def test_set_wins_over_the_file_and_its_value_is_toml_or_else_text(write, tmp_path):
    path = write("seed = 1\n[train_devise]\nepochs = 2\n")
    overrides = [
        "seed=9",
        "train_devise.epochs=5",
        "train_devise.model_name=other",
        "evaluate.k=[1,3]",
    ]
    settings = load_settings(
        path, [*overrides, f"work_dir={tmp_path}"], ["train_devise", "evaluate"]
    )
    job = settings.jobs["train_devise"]
    assert (job.seed, job.epochs, job.model_name, job.work_dir) == (9, 5, "other", str(tmp_path))
    assert settings.jobs["evaluate"].k == (1, 3)


def test_every_fault_is_listed_at_once(write):
    path = write("sead = 1\nseed = -1\n[train_devise]\nmargn = 0.1\nmargin = -1\nranks = 'two'\n")
    faults = faults_of(path, ["nojob.key=1", "nonsense"], ["parse_wikipedia"])
    for part in (
        "sead: unknown key, did you mean 'seed'?",
        "seed is -1",
        "train_devise.margn: unknown key, did you mean 'margin'?",
        "train_devise.margin is -1",
        "train_devise.ranks is 'two'",
        "parse_wikipedia.dump is missing",
        "there is no job 'nojob'",
        "--set 'nonsense': want KEY=VALUE",
    ):
        assert any(part in fault for fault in faults), (part, faults)
    assert len(faults) == len(set(faults))


@pytest.mark.parametrize("old", RENAMED)
def test_a_key_of_an_earlier_version_is_refused_with_the_name_that_it_has_now(write, old):
    job, key = old.split(".")
    fault = f"{old}: unknown key, it is called {RENAMED[old]!r} now"
    assert faults_of(write(f"[{job}]\n{key} = 1\n")) == [fault]
    assert key not in JOB_TYPES[job].model_fields
    assert RENAMED[old] in JOB_TYPES[job].model_fields


def test_a_key_of_a_job_at_the_top_is_told_where_it_belongs(write):
    assert faults_of(write("negative_mining = 'one'\n")) == [
        "negative_mining: unknown key, did you mean train_devise.negative_mining?"
    ]
    path = write("[evaluate]\npoll_interval_s = 5\n")
    assert faults_of(path) == [
        "evaluate.poll_interval_s: unknown key, did you mean ingest_photos.poll_interval_s or "
        "embed_photos.poll_interval_s?"
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("source = [{path = '.', nam = 'x'}]", "source.0.nam: unknown key, did you mean 'name'?"),
        ("source = {path = '.', size = 3}", "source.size: unknown key"),
        (
            "source = ['.', {path = '.', columns = {paht = 'p'}}]",
            "source.1.columns.paht: unknown key, did you mean 'path'?",
        ),
    ],
)
def test_an_unknown_key_of_a_source_is_the_one_fault_and_told_where_it_is(write, text, fault):
    assert faults_of(write(f"[ingest_photos]\n{text}\n")) == [f"ingest_photos.{fault}"]


def test_a_required_key_is_missed_only_by_a_job_that_runs(write):
    path = write("[train_devise]\nepochs = 2\n")
    assert load_settings(path, [], ["train_devise"]).jobs["train_devise"].epochs == 2
    assert faults_of(path, [], ["ingest_photos"]) == [
        "ingest_photos.source is missing: give [ingest_photos] source = ..."
    ]


def test_an_input_that_is_not_there_is_a_fault_unless_the_run_makes_it(write, tmp_path):
    path = write(
        f"work_dir = '{tmp_path}/w'\n[parse_wikipedia]\ndump = '{{work_dir}}/sample/x.xml'\n"
    )
    assert load_settings(path, [], ["parse_wikipedia"])
    assert faults_of(path, [f"parse_wikipedia.dump={tmp_path}/no.xml"], ["parse_wikipedia"]) == [
        f"parse_wikipedia.dump: there is no '{tmp_path}/no.xml'; give a path that exists"
    ]


@pytest.mark.parametrize("uri", ["s3a://bucket/d.xml", "dbfs:/d.xml", "hdfs://host:8020/d.xml"])
def test_an_input_in_a_store_is_looked_for_by_the_job(write, uri):
    path = write(f"[parse_wikipedia]\ndump = '{uri}'\n")
    assert load_settings(path, [], ["parse_wikipedia"]).jobs["parse_wikipedia"].dump == uri


@pytest.mark.parametrize("key", ["analogies", "similarities", "vectors"])
def test_any_input_may_lie_in_a_store(write, key):
    path = write("[train_word2vec]\n")
    settings = load_settings(path, [f"train_word2vec.{key}=s3a://b/q.txt"], ["train_word2vec"])
    assert "s3a://b/q.txt" in settings.jobs["train_word2vec"].input_files()[key]


def test_one_value_may_stand_for_a_list_of_one(write):
    path = write("[train_devise]\nmargin = 0.3\nstart = ['random']\n[evaluate]\nk = 5\n")
    wanted = ["train_devise", "evaluate"]
    jobs = load_settings(path, ["evaluate.regularization=[1, 10]"], wanted).jobs
    assert jobs["train_devise"].margin == (0.3,)
    assert jobs["train_devise"].start == ("random",)
    assert (jobs["evaluate"].k, jobs["evaluate"].regularization) == ((5,), (1.0, 10.0))
    [fault] = faults_of(path, ["train_devise.margin=[0.1, -2]"], ["train_devise"])
    assert fault.startswith("train_devise.margin.1 is -2: ")


@pytest.mark.parametrize("key", ["partitions", "merge_words"])
def test_keys_of_the_distributed_engine_are_refused_without_it(write, key):
    path = write(f"[train_word2vec]\n{key} = 4\n")
    [fault] = faults_of(path, [], ["train_word2vec"])
    assert f'{key} does nothing without engine = "distributed"' in fault
    assert load_settings(path, ["train_word2vec.engine=distributed"], ["train_word2vec"])


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 64),
        ({"backbone": "mobilenet_0.75_160"}, 160),
        ({"backbone": "inception_v3", "weights": "imagenet", "trainable_layers": 0}, 299),
        ({"backbone": "squeezenet_1.1", "weights": "{file}", "image_size": 128}, 128),
        ({"backbone": "cifar_resnet_110", "feature_layer": "map"}, 32),
        ({"backbone": "efficientnet_b1", "weights": "{file}", "classes": "{file}"}, 240),
    ],
    ids=lambda value: value.get("backbone") if isinstance(value, dict) else str(value),
)
def test_a_backbone_is_a_name_and_has_its_own_size(write, dump, given, size):
    overrides = [f"train_backbone.{k}={v}".replace("{file}", str(dump)) for k, v in given.items()]
    job = load_settings(write(""), overrides, ["train_backbone"]).jobs["train_backbone"]
    assert job.input_size == size


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"backbone": "cifar_resnet_100"}, ["has 6n + 2 layers, such as 20"]),
        ({"backbone": "resnet50"}, ["no such network (did you mean 'resnet_50'?); known are"]),
        (
            {"backbone": "mobilenet_0.75_224", "image_size": 160},
            ["image_size is 160: mobilenet_0.75_224 wants 224"],
        ),
        ({"backbone": "inception_v3", "image_size": 64}, ["inception_v3 wants 75 at least"]),
        ({"weights": "none.h5"}, ["train_backbone.weights: there is no 'none.h5'"]),
        (
            {"backbone": "squeezenet_1.1", "weights": "imagenet", "classes": "x"},
            ["no ImageNet weights of squeezenet_1.1", "squeezenet_1.1 is given without its class"],
        ),
        (
            {"classes": "x", "trainable_layers": 3, "image_size": 8, "batch_size": 63},
            [
                "small_cnn wants 32 at least",
                "`classes` are those of given weights: give `weights`, too",
                "trainable_layers is for training on from `weights`",
                "batch_size is 63, want a multiple of 2 ranks",
            ],
        ),
    ],
)
def test_every_fault_of_a_backbone_is_told(write, given, faults):
    overrides = [f"train_backbone.{key}={value}" for key, value in given.items()]
    [found] = faults_of(write(""), overrides, ["train_backbone"])
    for fault in faults:
        assert fault in found


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_an_input_by_a_file_uri_must_be_there(write, dump, scheme):
    path = write(f"[parse_wikipedia]\ndump = '{scheme}{dump}'\n")
    assert load_settings(path, [], ["parse_wikipedia"])
    assert faults_of(path, [f"parse_wikipedia.dump={scheme}{dump}x"], ["parse_wikipedia"]) == [
        f"parse_wikipedia.dump: there is no '{scheme}{dump}x'; give a path that exists"
    ]


def test_variables_of_the_environment_are_filled_in(write, monkeypatch, dump):
    monkeypatch.setenv("DUMPS", str(dump.parent))
    path = write("[parse_wikipedia]\ndump = '${DUMPS}/${NAME:-dump}.xml'\n")
    assert load_settings(path, [], ["parse_wikipedia"]).jobs["parse_wikipedia"].dump == str(dump)
    monkeypatch.delenv("DUMPS")
    unset = ["parse_wikipedia.dump: the environment variable DUMPS is not set"]
    assert faults_of(path, [], ["parse_wikipedia"]) == unset


@pytest.mark.parametrize("text", ["${NO-NAME}/x", "${A:-${HOME}/x}", "${HOME"])
def test_what_looks_like_a_variable_and_is_none_is_told(write, text):
    """A text that would be taken otherwise than it is meant is not taken at all."""
    [fault] = faults_of(write(f"tracking_uri = '{text}'\n"))
    assert fault.startswith(f"tracking_uri: '{text}' has a variable that is not ${{NAME}} or ${{")


def test_only_the_variables_of_jobs_that_run_must_be_set(write, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    path = write("[ingest_photos]\nsource = '${NOWHERE}'\n[evaluate]\nk = 3\n")
    assert load_settings(path, [], ["evaluate"]).jobs["evaluate"].k == (3,)
    unset = ["ingest_photos.source: the environment variable NOWHERE is not set"]
    assert faults_of(path, [], ["ingest_photos"]) == unset
    path = write("catalog = '${NOWHERE}'\n")
    assert faults_of(path, [], ["evaluate"]) == [
        "catalog: the environment variable NOWHERE is not set"
    ]


OWN = {  # a value of each common key that is right at the top of the file
    "work_dir": "'elsewhere'",
    "seed": "3",
    "tracking_uri": "'sqlite:///x.db'",
    "catalog": "'main.devise'",
    "label_sets": "[]",
    "test_share": "0.5",
    "validation_folds": "3",
}


def test_every_common_key_is_tried_below_a_job():
    assert set(OWN) == set(COMMON_KEYS)


@pytest.mark.parametrize("key", OWN)
@pytest.mark.parametrize("value", ["right", "wrong"])
def test_a_common_key_below_a_job_is_refused_and_no_job_is_dropped(write, key, value):
    """A fault is never passed over because another check would tell it.

    A wrong value below a job was told by nobody, and the pipeline went on without the job. A right
    one parted the job from the others: with a seed of its own it trains on their test photos.
    """
    text = OWN[key] if value == "right" else "{}"
    wanted = f"all jobs must agree on {key}; give it at the top of the file, or --set {key}=..."
    path = write(f"[train_devise]\n{key} = {text}\n")
    assert faults_of(path, [], ["train_devise"]) == [f"train_devise.{key}: {wanted}"]
    assert faults_of(path, [], ["evaluate"]) == [f"train_devise.{key}: {wanted}"]
    by_hand = faults_of(write(""), [f"train_devise.{key}={text}"], ["train_devise"])
    assert by_hand == [f"train_devise.{key}: {wanted}"]


def test_a_wrong_common_key_at_the_top_is_told_once(write):
    [fault] = faults_of(write("test_share = 2\n[evaluate]\nk = 3\n"), [], ["evaluate", "report"])
    assert fault.startswith("test_share is 2: ")


def test_variables_of_work_dir_are_filled_in_before_others_take_it(write, monkeypatch, tmp_path):
    """What one value takes from another is taken once the other is final."""
    monkeypatch.setenv("SHARED_DISK", str(tmp_path))
    path = write("work_dir = '${SHARED_DISK}/w'\n[make_sample]\n")
    job = load_settings(path, [], ["make_sample"]).jobs["make_sample"]
    assert (job.work_dir, job.folder) == (f"{tmp_path}/w", f"{tmp_path}/w/sample")
    monkeypatch.delenv("SHARED_DISK")
    unset = "work_dir: the environment variable SHARED_DISK is not set"
    assert faults_of(path, [], ["make_sample"]) == [unset]


@pytest.mark.parametrize("name", ["1e3", "007", "1_000", "true", "2024-01-01", "nan", "[x]", "a#b"])
def test_a_value_for_text_stays_the_text_that_was_given(write, tmp_path, monkeypatch, name):
    """A word of the command line is not turned into a number and back where text is wanted."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(write(""), [f"work_dir={name}", f"spark.some.key={name}"], [])
    assert settings.common.work_dir == f"{tmp_path}/{name}"
    assert settings.spark == {"some.key": name}
    quoted = load_settings(write(""), [f"evaluate.model='{name}'"], ["evaluate"])
    assert quoted.jobs["evaluate"].model == name


@pytest.mark.parametrize("name", ["2019", "1e3", "007", "true"])
def test_a_source_may_be_called_like_a_number(write, tmp_path, monkeypatch, name):
    """The same kind, of a key that takes lists and tables as well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    settings = load_settings(write(""), [f"ingest_photos.source={name}"], ["ingest_photos"])
    assert [source.name for source in settings.jobs["ingest_photos"].sources()] == [name]


def test_blanks_are_no_address_and_no_catalog(write):
    for key in ("tracking_uri", "catalog"):
        [fault] = faults_of(write(f"{key} = ' '\n"))
        assert fault.startswith(f"{key} is ' ': want a path")


def test_the_home_of_the_user_is_written_as_in_a_shell(write, monkeypatch):
    monkeypatch.setenv("HOME", "/home/analyst")
    assert load_settings(write("work_dir = '~/w'\n"), [], []).common.work_dir == "/home/analyst/w"


def test_set_takes_one_value_alone(write):
    """No part of an override is dropped without a word."""
    [fault] = faults_of(write(""), ["seed=1\ntest_share=0.5"])
    assert fault.startswith("seed is '1\\ntest_share=0.5': ")


@pytest.mark.parametrize(
    "work_dir",
    ["dbfs:/w", "ftp://b/w", "s3a:/w", '"a\\u0000b"', "caf\udce9", "''", "", '" "', "{work_dir}/w"],
)
def test_a_work_dir_that_is_no_folder_of_all_machines_is_told(write, work_dir):
    [fault] = faults_of(write(""), [f"work_dir={work_dir}"])
    assert "want a folder that the driver and every executor see" in fault
    [fault] = faults_of(write("work_dir = ['w']\n"))
    assert fault.startswith("work_dir is ['w']: want a folder")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ui = ['a', 'b']", "spark.ui is ['a', 'b']: want text, such as 'a,b', or a number"),
        (
            "spark.ui = true",
            "spark.spark.ui: keys of [spark] go without their prefix: give spark.ui",
        ),
    ],
)
def test_what_spark_would_pass_over_is_told(write, text, fault):
    """Spark ignores settings that it does not know, so a slip of the pen has no effect there."""
    assert faults_of(write(f"[spark]\n{text}\n")) == [fault]


@pytest.mark.parametrize("key", ["str", "tuple", "", "0"])
def test_an_unknown_key_is_told_whatever_its_name(write, key):
    assert faults_of(write(f"[evaluate]\n'{key}' = 1\n")) == [
        f"{'.'.join(filter(None, ['evaluate', key]))}: unknown key"
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_refused(write, value):
    [fault] = faults_of(write(f"[evaluate]\nregularization = [1.0, {value}]\n"), [], ["evaluate"])
    assert fault == f"evaluate.regularization.1 is {value}: Input should be a finite number"


@pytest.mark.parametrize(
    "text",
    [
        f"seed = {'9' * 5_000}",
        f"seed = 0x{'f' * 5_000}",
        f"[evaluate]\nk = {'[' * 400}1{']' * 400}",
        f"[evaluate]\nk = {'[' * 5_000}",
        f"{'a.' * 5_000}a = 1",
        "[ingest_photos]\nlabel_pattern = '(a{99999999999999999999})'",
        f"[ingest_photos]\nlabel_pattern = '{'(' * 5_000}'",
        f"[ingest_photos]\nsource = '{'x' * 5_000}'",
        "[ingest_photos]\nsource = 'a\\u0000b'",
    ],
    ids=lambda text: text[:20],
)
def test_what_python_itself_stumbles_over_is_a_fault_of_the_configuration(write, text):
    """Limits of Python (digits, recursion, lengths of paths) never end in a stack trace."""
    with pytest.raises(ConfigError) as raised:
        load_settings(write(text), [], ["ingest_photos"])
    assert len(str(raised.value)) < 10_000


def test_work_dir_becomes_absolute_and_a_store_stays_as_it_is(write, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = write("")
    assert load_settings(path, ["work_dir=w"], []).common.work_dir == f"{tmp_path}/w"
    assert (
        load_settings(path, [f"work_dir=file://{tmp_path}/w"], []).common.work_dir
        == f"{tmp_path}/w"
    )
    for uri in ("s3a://bucket/w", "s3://bucket", "gs://b/w", "abfss://c@a.dfs.core.windows.net/w"):
        assert load_settings(path, [f"work_dir={uri}/"], []).common.work_dir == uri


def test_spark_settings_keep_their_dots(write):
    settings = load_settings(
        write("[spark]\n'driver.memory' = '2g'\nui.enabled = true\n"),
        ["spark.driver.port=4050"],
        [],
    )
    assert settings.spark == {"driver.memory": "2g", "ui.enabled": "true", "driver.port": "4050"}


def test_photo_sources_may_be_a_path_or_tables(write, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    short = load_settings(
        write(f"[ingest_photos]\nsource = '{folder}'\n"), [], ["ingest_photos"]
    ).jobs["ingest_photos"]
    assert [(s.name, s.label_pattern) for s in short.sources()] == [("photos", r"([^/]+)/[^/]+$")]
    long = load_settings(
        write(f"[[ingest_photos.source]]\npath = '{folder}'\nname = 'n'\nlabel_pattern = ''\n"),
        [],
        ["ingest_photos"],
    ).jobs["ingest_photos"]
    assert [(s.name, s.label_pattern) for s in long.sources()] == [("n", "")]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("kind = 'cifar'\nlabel_pattern = '(x)'", "leave out `label_pattern` and `labels`"),
        ("labels = '{here}'\nlabel_pattern = '(x)'", "want `label_pattern` or `labels`, not both"),
        ("classes = '{here}'", "`classes` does nothing without `labels`: give it"),
        ("labels = '{here}/none.txt'", "there is no '{here}/none.txt'; give a path that exists"),
    ],
)
def test_a_photo_source_is_labelled_in_one_way(write, tmp_path, keys, fault):
    text = f"[[ingest_photos.source]]\npath = '{tmp_path}'\n{keys.format(here=tmp_path)}\n"
    faults = faults_of(write(text), [], ["ingest_photos"])
    assert any(fault.format(here=tmp_path) in each for each in faults), faults


def test_a_pattern_of_files_has_no_name_of_its_own(write, tmp_path):
    text = f"[[ingest_photos.source]]\npath = '{tmp_path}/**/*.jpg'\n"
    faults = faults_of(write(text), [], ["ingest_photos"])
    assert any("since it ends in a pattern: give it a `name`" in each for each in faults), faults
    named = load_settings(write(text + "name = 'n'\n"), [], ["ingest_photos"])
    assert [s.name for s in named.jobs["ingest_photos"].sources()] == ["n"]


def test_a_source_with_labels_of_its_own_does_not_take_the_common_pattern(write, tmp_path):
    sources = [f"{{path='{tmp_path}', name='a', labels='{tmp_path}'}}"]
    sources.append(f"{{path='{tmp_path}', name='b', kind='cifar'}}")
    path = write(f"[ingest_photos]\nsource = [{', '.join(sources)}]\n")
    job = load_settings(path, [], ["ingest_photos"]).jobs["ingest_photos"]
    assert [source.label_pattern for source in job.sources()] == ["", ""]


def test_label_sets_of_words_have_no_attributes(write, tmp_path):
    awa2 = f"[[label_sets]]\nkind = 'awa2'\nname = 'animals'\nfolder = '{tmp_path}'\n"
    cifar = f"[[label_sets]]\nkind = 'cifar'\nname = 'c'\nnames = '{tmp_path}'\n"
    ask = ["embed_labels.vectors=attributes"]
    assert load_settings(write(awa2), ask, ["embed_labels"]).common.label_sets[0].unseen == ""
    [fault] = faults_of(write(awa2 + cifar), ask, ["embed_labels"])
    assert 'vectors is "attributes", and the label sets c have none' in fault
    missing = cifar.replace(str(tmp_path), f"{tmp_path}/none.txt")
    [fault] = faults_of(write(missing), [], ["embed_labels"])
    assert fault == f"embed_labels.label_sets: there is no '{tmp_path}/none.txt'; " + (
        "give a path that exists"
    )


def test_no_file_and_no_toml_are_told(tmp_path, write):
    with pytest.raises(ConfigError, match="no configuration file"):
        load_settings(tmp_path / "none.toml", [], [])
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_settings(write("seed = = 1"), [], [])


def test_configurations_are_frozen(write):
    job = load_settings(write(""), [], ["evaluate"]).jobs["evaluate"]
    with pytest.raises(ValueError, match="frozen"):
        job.seed = 3


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.toml")), ids=lambda p: p.name)
def test_the_shipped_configurations_can_be_used(path, monkeypatch, tmp_path):
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"\$\{(\w+)", text):
        monkeypatch.setenv(name, str(tmp_path))
    assert load_settings(path, [], []).path == path


def test_the_flow_is_in_order_every_job_after_those_it_needs():
    seen: set[str] = set()
    for job in JOBS:
        assert set(job.needs) <= seen, job.name
        seen.add(job.name)


def test_each_job_has_its_program():
    assert {path.stem for path in (ROOT / "jobs").glob("[a-z]*.py")} == set(EVERY_JOB)
