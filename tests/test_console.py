import sys

import pytest

from devise_lib.console import clock, print_line


def test_in_a_log_each_line_is_its_own(capsys):
    print_line("one", end="")
    print_line("two", over=True)
    assert capsys.readouterr().out == "one\ntwo\n"


def test_on_a_terminal_a_line_is_written_over_the_open_one_and_nothing_of_it_stays(
    capsys, monkeypatch
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_line("a long line", end="")
    print_line("short", over=True)
    assert capsys.readouterr().out == "a long line\rshort\x1b[K\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min 0 s"), (59.9, "0 min 59 s"), (3_599, "59 min 59 s"), (90_061, "25 h 1 min")],
)
def test_a_length_of_time_is_told_in_its_two_greatest_units(seconds, text):
    assert clock(seconds) == text
