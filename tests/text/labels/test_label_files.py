import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.labels.label_files import (
    Label,
    phrases,
    read_imagenet,
    read_label_table,
    term_tokens,
    to_term,
)

terms = st.lists(
    st.lists(
        st.sampled_from(["dog", "snow", "leopard", "bird", "of", "prey", "nothing", "yak"]),
        min_size=1,
        max_size=3,
    ).map(" ".join),
    min_size=1,
    max_size=4,
)


def label(*terms_of_it):
    return Label("n1", terms_of_it, True, "set")


@given(terms)
def test_phrases_are_the_terms_of_several_words(terms_of_it):
    want = {tuple(t.split()) for t in terms_of_it if " " in t}
    assert phrases([label(*terms_of_it)]) == sorted(want)


def test_the_words_of_a_term_keep_its_numbers():
    assert term_tokens("Boeing 747") == ("boeing", "747")
    assert term_tokens("jack-o'-lantern") == ("jack", "o", "lantern")
    assert term_tokens("St. John's wort") == ("st", "john", "wort")
    assert term_tokens("Caf\u00e9 au lait") == ("caf\u00e9", "au", "lait")


@pytest.mark.parametrize(
    ("term", "tokens"),
    [
        ("drake (duck)", ("drake",)),
        ("crane [bird] (grey)", ("crane",)),
        ("(duck)", ("duck",)),
        ("drake (duck", ("drake", "duck")),
        ("", ()),
        ("?!", ()),
    ],
)
def test_what_stands_in_brackets_is_no_part_of_a_term(term, tokens):
    assert term_tokens(term) == tokens
    assert phrases([label(term)]) == ([tokens] if len(tokens) > 1 else [])


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_reads_a_table_of_labels(tmp_path):
    path = write(
        tmp_path / "labels.tsv",
        "label\tterms\tsplit\taliases",
        "snow_leopard\tsnow leopard, ounce\tunseen\tounce_1,ounce_2",
        "fire_truck\t\tseen\t",
    )
    assert read_label_table(path, "sample") == [
        Label("snow_leopard", ("snow leopard", "ounce"), False, "sample", ("ounce_1", "ounce_2")),
        Label("fire_truck", ("fire truck",), True, "sample", ()),
    ]


HEADER = "label\tterms\tsplit\taliases"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["label,terms"], "line 1: want the header label terms split aliases"),
        ([HEADER, "a\tb\tseen"], "line 2: want 4 tab-separated fields"),
        ([HEADER, "", "a\tb\ttest\t"], "line 3: split is 'test', want seen or unseen"),
        ([HEADER, "a\tb\tseen\tc", "c\td\tseen\t"], "'c' comes twice"),
        ([HEADER], "no label in it"),
    ],
)
def test_a_bad_table_names_its_line_and_what_it_wants(tmp_path, lines, message):
    path = write(tmp_path / "labels.tsv", *lines)
    with pytest.raises(InputError, match=message):
        read_label_table(path, "sample")


def test_reads_the_imagenet_labels_of_a_list(tmp_path):
    words = write(tmp_path / "w.txt", "n1\tcat, true cat", "n2\tdog", "n3\tsnow leopard")
    ids = write(tmp_path / "ids.txt", "n3", "n1")
    assert read_imagenet(words, ids, "two") == [
        Label("n3", ("snow leopard",), True, "two"),
        Label("n1", ("cat", "true cat"), True, "two"),
    ]
    with pytest.raises(InputError, match=r"other\.txt, line 2: 'n9' has no line in .*w\.txt"):
        read_imagenet(words, write(tmp_path / "other.txt", "n1", "n9"), "two")
    with pytest.raises(InputError, match=r"bad\.txt, line 1: want id, tab, terms"):
        read_imagenet(write(tmp_path / "bad.txt", "n1 cat"), ids, "two")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none"):
        read_label_table(str(tmp_path / "none"), "s")


@pytest.mark.data
def test_reads_the_real_label_sets(devise_data):
    labels = devise_data / "labels"
    words = str(labels / "imagenet21k_words.txt")
    full = read_imagenet(words, str(labels / "imagenet21k_all.txt"), "full_21k")
    assert len(full) == 20_846


@pytest.mark.parametrize(
    ("name", "term"),
    [("killer+whale", "killer whale"), ("aquarium_fish", "aquarium fish"), ("ox", "ox")],
)
def test_the_name_of_a_class_is_spoken_with_spaces(name, term):
    assert to_term(name) == term
