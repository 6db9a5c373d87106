"""README and docs are short and plain: lengths, links, and messages that the code has."""

import ast
import re
from pathlib import Path

import pytest

from tests.test_docs_run import PAGES, ROOT

LINES_OF_README = 200
WORDS_OF_A_SENTENCE = 35
LINES_OF_A_PARAGRAPH = 6


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def paragraphs(text: str) -> list[list[str]]:
    """The lines of each paragraph and list item, without code, tables, headings and pictures."""
    found: list[list[str]] = [[]]
    for line in without_code(text).splitlines():
        is_prose = line.strip() and not re.match(r" *(\||#|!\[)", line)
        if not is_prose or re.match(r" *([-*]|\d+\.) ", line):
            found.append([])
        if is_prose:
            found[-1].append(line.strip())
    return [lines for lines in found if lines]


def sentences(lines: list[str]) -> list[str]:
    """The sentences of a paragraph; code and the text of a link count as they are read."""
    text = re.sub(r"`[^`]*`", "code", " ".join(lines))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.split(r"(?<=[.!?])\W*\s+", text)


def test_prose_is_cut_into_paragraphs_and_sentences():
    text = "# A head\n\nOne `two. three` four.\nFive.\n- An item. Two\n  lines.\n\n| a | b |\n"
    cut = paragraphs(text + "\n```bash\ncode\n```\n")
    assert cut == [["One `two. three` four.", "Five."], ["- An item. Two", "lines."]]
    assert sentences(cut[0]) == ["One code four.", "Five."]


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= LINES_OF_README


@pytest.mark.parametrize("page", PAGES)
def test_sentences_and_paragraphs_are_short(page):
    for lines in paragraphs(PAGES[page]):
        assert len(lines) <= LINES_OF_A_PARAGRAPH, lines
        for sentence in sentences(lines):
            assert len(sentence.split()) <= WORDS_OF_A_SENTENCE, sentence


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)]+)\)", without_code(PAGES[page])):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def texts_of_the_code() -> list[str]:
    """Every text of the library and the jobs, with a blank for each value within."""
    files = [*(ROOT / "devise_lib").rglob("*.py"), *(ROOT / "jobs").glob("*.py")]
    return [text for file in files for text in _texts(file)]


def _texts(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [n.value if isinstance(n, ast.Constant) else "\0" for n in node.values]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def test_the_messages_of_troubleshooting_are_those_of_the_code():
    page = PAGES["docs/data-engineers/troubleshooting.md"]
    tables = re.findall(r"^\| message \|.*?\n\n", page, re.MULTILINE | re.DOTALL)
    messages = [m for table in tables for m in re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)]
    assert len(messages) > 40
    code = texts_of_the_code()
    for message in messages:
        parts = [part.strip() for part in message.split("...") if part.strip()]
        assert any(all(part in text for part in parts) for text in code), message
