"""The commands as a user types them, on a collection whose right answers one can see."""

import json
import subprocess
import sys

import pytest

from devise_lib.search.__main__ import main
from tests.search.world import KINDS, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def ask(world, capsys):
    """Runs a command; returns its answer."""

    def run(*words, place=None):
        code = main([*map(str, words), "--bundle", str(place or world.work), "--format", "json"])
        said = capsys.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)

    return run


@pytest.fixture
def fail(world, capsys):
    """Runs a command that must fail; returns its one line."""

    def run(*words, place=None):
        assert main([*map(str, words), "--bundle", str(place or world.work)]) == 1
        said = capsys.readouterr()
        assert not said.out
        assert said.err.count("\n") == 1
        return said.err

    return run


def found(answer):
    return [hit["photo_id"] for hit in answer["hits"]]


def why(hit):
    return {part["name"]: part["value"] for part in hit["why"]}


def test_a_text_finds_what_it_names_and_says_what_each_term_adds(world, ask):
    answer = ask("text", "red", "thing", "-k", 4)
    assert found(answer) == world.ids["red"][:4]
    assert why(answer["hits"][0]) == {"red thing": pytest.approx(1, abs=1e-5)}
    first = answer["hits"][0]
    assert (first["label"], first["owner"]) == ("red thing", "ann")  # of the newest revision
    assert first["path"].endswith("red-0.png")
    assert answer["notes"] == ["searched by red thing"]


def test_unwanted_words_lead_away_and_unknown_ones_are_told(world, ask):
    answer = ask("text", "yellow thing xyzzy", "--without", "green thing", "-k", 2)
    assert set(found(answer)) < {*world.ids["red"], *world.ids["yellow"]}
    of_red = ask("text", "yellow thing", "--without", "green thing", "-k", 40)["hits"]
    scores = {hit["photo_id"]: hit["score"] for hit in of_red}
    assert scores[world.ids["red"][0]] > scores[world.ids["green"][0]]
    assert answer["notes"][0] == "searched by yellow_thing, not green_thing"
    assert answer["notes"][1] == "ignored, since it has no vector: xyzzy"
    for hit in answer["hits"]:
        assert sum(why(hit).values()) == pytest.approx(hit["score"], abs=1e-5)
    minus = ask("text", "yellow thing -green_thing xyzzy", "-k", 2)
    assert minus["hits"] == answer["hits"]
    assert ask("text", "blue thing skyy")["notes"][1].endswith("skyy (known: sky)")


def test_the_parts_of_a_long_text_sum_up_to_its_score_too(ask):
    long = ("red thing", "blue thing", "green thing", "pink", "sky", "moss", "sky")
    for hit in ask("text", " ".join(long), "-k", 5)["hits"]:
        assert len(hit["why"]) == 4
        assert hit["why"][-1]["name"] == "others"
        assert sum(part["value"] for part in hit["why"]) == pytest.approx(hit["score"], abs=1e-5)


def test_a_photo_and_its_file_find_the_same_photos(world, ask):
    own = world.ids["blue"][3]
    by_id = ask("similar", own, "-k", 5)
    assert own not in found(by_id)
    assert set(found(by_id)) < set(world.ids["blue"])
    by_file = ask("similar", world.files["blue"][3], "-k", 6)
    assert by_file["hits"][0]["photo_id"] == own
    assert by_file["hits"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert set(found(by_file)[1:]) == set(found(by_id))
    assert by_file["notes"][0].startswith("the photo is nearest to blue thing, ")
    without = ask("similar", world.files["blue"][3], "-k", 5, "--copies", 0.99999)
    assert set(found(without)) == set(found(by_id))


def test_tags_are_the_nearest_labels_or_words(world, ask):
    answer = ask("tags", world.files["yellow"][0], world.ids["green"][1], "-k", 2)
    first, second = answer["hits"][:2], answer["hits"][2:]
    assert first[0]["name"] == "yellow thing"
    assert first[0]["score"] == pytest.approx(1, abs=1e-5)
    assert second[0]["name"] == "green thing"
    words = ask("tags", world.ids["green"][0], "-k", 2, "--vocabulary", "words")["hits"]
    assert [hit["name"] for hit in words] == ["green thing", "moss"]
    [part] = first[0]["why"]
    assert (part["name"], part["value"]) == (
        "share of 20 similar photos",
        1,
    )  # of its second tags, too


def test_a_gallery_is_completed_by_its_kind(world, ask):
    members = [world.ids["red"][0], world.files["red"][1]]
    answer = ask("gallery", *members, "-k", 8)
    assert set(found(answer)) == set(world.ids["red"][2:])  # a member given as a file stays out
    assert set(why(answer["hits"][0])) == {world.ids["red"][0], "red-1.png"}
    two = ask("gallery", world.ids["red"][0], world.ids["blue"][0], "--method", "centroids")
    assert {kind for kind in KINDS if set(world.ids[kind]) & set(found(two))} == {"red", "blue"}
    away = ask("gallery", world.ids["yellow"][0], "--not", world.ids["green"][0], "-k", 40)
    scores = {hit["photo_id"]: hit["score"] for hit in away["hits"]}
    assert scores[world.ids["red"][0]] > scores[world.ids["green"][1]]


def test_submissions_are_ordered_and_decided_by_what_people_have_judged(world, ask):
    photos = [world.ids["green"][2], world.files["blue"][2], world.ids["green"][5]]
    judged = ("--accepted", *world.ids["green"][7:], "--rejected", *world.ids["blue"][7:])
    answer = ask("submissions", *photos, "--brief", "green thing", *judged)
    assert found(answer) == [photos[0], photos[2], str(photos[1])]
    assert [hit["decision"] for hit in answer["hits"]] == ["accepted", "accepted", "rejected"]
    assert "decides 100% rightly" in answer["notes"][0]
    like = ask("submissions", *photos, "--like", world.ids["blue"][0])
    assert found(like)[0] == str(photos[1])
    assert {hit["decision"] for hit in like["hits"]} == {""}
    assert like["hits"][0]["why_photos"] == [world.ids["blue"][0]]
    assert len(ask("submissions", *photos, "--brief", "green thing", "-k", 1)["hits"]) == 1
    inverted = ("--accepted", *world.ids["blue"][7:], "--rejected", *world.ids["green"][7:])
    notes = ask("submissions", *photos, "--brief", "green thing", *inverted)["notes"]
    assert "does not tell accepted from rejected" in notes[1]
    apart = ask("submissions", *photos, "--brief", "green thing", "--relevance", 0.3)
    assert found(apart) == [photos[0], str(photos[1]), photos[2]]


def test_photographers_are_ranked_by_their_photos_of_the_kind(world, ask):
    answer = ask("photographers", "--brief", "blue thing")
    assert [hit["name"] for hit in answer["hits"]] == ["bob", "ann"]  # nobody took the yellow ones
    assert why(answer["hits"][0]) == {"photos considered": 20}
    assert answer["hits"][0]["why_photos"] == world.ids["blue"][:3]
    answer = ask("photographers", "--like", world.files["red"][0])
    assert answer["hits"][0]["name"] == "ann"


def test_a_context_tells_the_sense(world, ask):
    answer = ask("sense", "--candidates", "red thing", "blue thing", "--context", "sky")
    assert [hit["name"] for hit in answer["hits"]] == ["blue thing", "red thing"]
    assert why(answer["hits"][0]) == {"sky": pytest.approx(answer["hits"][0]["score"], abs=1e-5)}
    answer = ask("sense", "yellow thing", "-k", 2, "--beside", world.files["green"][0])
    assert "green thing" in why(answer["hits"][0])
    assert len(ask("sense", "yellow thing")["hits"]) <= 3


def test_the_table_and_the_page_show_what_was_found(world, tmp_path, capsys):
    page = tmp_path / "found.html"
    words = ["similar", str(world.files["blue"][0]), "-k", "3", "--html", str(page)]
    assert main([*words, "--bundle", str(world.work)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "photos like blue-0.png"
    assert lines[2].split()[:3] == ["score", "photo", "label"]
    assert lines[3].split()[:3] == ["1", "1.000", world.ids["blue"][0]]
    html = page.read_text(encoding="utf-8")
    assert html.count("<img") == 4  # that of the query, too; from the table's bytes
    assert html.count("data:image/jpeg;base64,") == 4
    assert 'alt="blue thing"' in html


def test_a_bundle_is_found_by_its_folder_or_one_above_and_may_be_alone(world, ask):
    for place in (world.bundle, world.bundle.parent, world.work):
        assert found(ask("text", "sky", "-k", 2, place=place))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["text", "skyy"], "has no vector of skyy; want words of words.txt; did you mean sky?"),
        (["similar", "nobody"], "'nobody' is no photo of .* and no file: give a photo_id"),
        (["similar", __file__], "cannot be embedded (not_an_image)"),
        (["gallery", "nobody"], "give a photo_id"),
        (["photographers"], "want a text or photos as examples of an assignment"),
        (["sense", "--candidates", "sky"], "want a context"),
        (["sense", "sky", "--candidates", "sky", "--context", "moss"], "want a word, or"),
        (["sense"], "want a word, or --candidates"),
        (["text", "sky", "--photos", __file__], "is no table: want Parquet files"),
        (["text", "sky", "--photos", "/nowhere"], "there is no table /nowhere"),
        (["text", "sky", "--html", "/nowhere/x.html"], "/nowhere/x.html: No such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(fail, words, message):
    start, _, end = message.partition(" .* ")
    said = fail(*words)
    assert start in said
    assert end in said


def test_a_brief_must_say_something(world, fail):
    said = fail("submissions", world.ids["red"][0])
    assert said == "want a text or photos as examples of a brief; got neither\n"


def test_no_bundle_is_told(fail, tmp_path):
    assert "is no index bundle: want a folder with manifest.json" in fail(
        "text", "x", place=tmp_path
    )


def test_a_command_that_needs_no_network_takes_a_moment(world):
    """It imports neither Spark nor TensorFlow, nor does it abort at its end."""
    program = (
        "import sys; from devise_lib.search.__main__ import main; "
        "code = main(sys.argv[1:]); "
        "assert not {'pyspark', 'tensorflow'} & set(sys.modules); sys.exit(code)"
    )
    words = ["text", "sky", "--bundle", str(world.work)]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
