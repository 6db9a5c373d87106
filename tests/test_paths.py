import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.paths import (
    absolute,
    escape_glob,
    glob_expression,
    is_remote,
    split_glob,
)


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


def alternatives(pattern: str) -> list[str]:
    """What a pattern without braces within braces stands for, one brace after another."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    head, rest = pattern[: found.start()], pattern[found.end() :]
    return [each for part in found[1].split(",") for each in alternatives(head + part + rest)]


def slowly_matches(pattern: str, path: str) -> bool:
    """Folder by folder, as a shell does it."""
    for each in alternatives(pattern):
        parts, names = each.split("/"), path.split("/")
        if len(parts) == len(names) and all(map(fnmatchcase, names, parts)):
            return True
    return False


brackets = st.sampled_from(["[ab]", "[!ab]", "[a-c]", "[]x]", "[a.]"])
braces = st.sampled_from(["{a,b}", "{ab,}", "{a.c,*}", "{?,cc}"])
pieces = st.one_of(st.sampled_from([*"abc.+", "*", "?", "/"]), brackets, braces)
patterns = st.lists(pieces, max_size=6).map("".join).filter(lambda p: "**" not in p)


@given(patterns, st.text("abc.+/]x", max_size=6))
def test_a_pattern_stands_for_the_paths_that_it_stands_for_in_a_shell(pattern, path):
    if any("**" in each for each in alternatives(pattern)):
        return
    found = re.fullmatch(glob_expression(pattern), path) is not None
    assert found == slowly_matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("**/*.jpg", ["a.jpg", "b/a.jpg", "b/c/a.jpg"], ["a.png", "b/a.jpgx"]),
        ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["ab", "a/cb"]),
        ("a**", ["a", "abc", "a/b/c"], ["b/a"]),
        ("{a,{b,c}}/x", ["a/x", "b/x", "c/x"], ["d/x", "bc/x"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a{b", ["a{b"], ["ab"]),
        ("a}b,c", ["a}b,c"], ["ab"]),
        ("[!/]x", ["ax"], ["/x"]),
    ],
)
def test_patterns_over_folders_and_signs_that_nothing_closes(pattern, taken, left):
    expression = re.compile(glob_expression(pattern))
    assert [path for path in [*taken, *left] if expression.fullmatch(path)] == taken


def test_a_range_the_wrong_way_round_is_told():
    with pytest.raises(ValueError, match=r"pattern '\[z-a\]' cannot be used"):
        glob_expression("[z-a]")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/photos/a", ("/photos/a", "")),
        ("/photos/2024-*/{a,b}", ("/photos", "2024-*/{a,b}")),
        ("/*.jpg", ("/", "*.jpg")),
        ("*.jpg", (".", "*.jpg")),
        ("s3a://bucket/x/?.tar", ("s3a://bucket/x", "?.tar")),
    ],
)
def test_a_pattern_begins_at_a_folder(path, parts):
    assert split_glob(path) == parts


def test_a_path_that_looks_like_a_pattern_names_itself_alone():
    assert escape_glob("/a [1]/{b}*?.x") == "/a \\[1\\]/\\{b\\}\\*\\?.x"
    assert escape_glob("/plain/path%20x") == "/plain/path%20x"
