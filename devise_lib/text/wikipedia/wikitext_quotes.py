"""Runs of apostrophes: which of them are bold or italic, and which apostrophes are text.

MediaWiki decides line by line. Two apostrophes are italic, three are bold, and five are both. Of
four, and of more than five, the surplus ones in front are text. If a line has an odd number of both
italic and bold runs, one run of three counts as an apostrophe and an italic run. That run is the
first one after a single letter that follows a blank, else after a longer word, else after a blank.
MediaWiki counts bytes, so it takes a non-ASCII letter for a longer word; here it is a letter.

Source: https://www.mediawiki.org/wiki/Help:Formatting; doQuotes of MediaWiki's parser.
"""

import re

_RUN = re.compile(r"('{2,})")


def without_quotes(text: str) -> str:
    """Removes the apostrophes that mark bold and italic text."""
    return "\n".join(_plain(line) if "''" in line else line for line in text.split("\n"))


def _plain(line: str) -> str:
    parts = _RUN.split(line)  # text at even places, runs at odd ones
    lengths = []
    for place in range(1, len(parts), 2):
        length = len(parts[place])
        if length == 4 or length > 5:
            kept = 3 if length == 4 else 5
            parts[place - 1] += "'" * (length - kept)
            length = kept
        parts[place] = ""
        lengths.append(length)
    italic, bold = lengths.count(2) + lengths.count(5), lengths.count(3) + lengths.count(5)
    if italic % 2 and bold % 2:
        before = [(parts[2 * run], 2 * run) for run, length in enumerate(lengths) if length == 3]
        if before:
            parts[_place_of_apostrophe(before)] += "'"
    return "".join(parts)


def _place_of_apostrophe(before: list[tuple[str, int]]) -> int:
    """Returns the index of the text that gets the apostrophe, among those before runs of three."""
    by_preference = (
        [place for text, place in before if text[-1:] != " " and text[-2:-1] == " "],
        [place for text, place in before if text[-1:] != " " and text[-2:-1] != " "],
        [place for text, place in before if text[-1:] == " "],
    )
    return next(places[0] for places in by_preference if places)
