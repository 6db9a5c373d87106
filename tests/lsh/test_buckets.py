import pytest

from devise_lib.lsh.buckets import TableStatistics, advise

GOOD = TableStatistics(200_000, 14, 7_018, 6_000, 771, 10.14, [0.5] * 14)
RAW = TableStatistics(200_000, 14, 942, 14_800, 4_094, 6.78, [0.5] * 8 + [0.99] * 6)
CENTRED = TableStatistics(200_000, 14, 7_810, 20_800, 2_831, 9.59, [0.5] * 14)
WIDE = TableStatistics(200_000, 14, 7_810, 20_800, 4_200, 9.59, [0.5] * 14)


@pytest.mark.parametrize(
    ("tables", "kind", "said"),
    [
        ([GOOD, GOOD], "pca", []),
        ([GOOD, RAW], "hyperplanes", ["6 of 28 bits are the same", 'hash = "centred"']),
        ([RAW], "hyperplanes", ["6 of 14 bits", "48% of the possible entropy"]),
        ([RAW], "centred", ['hash = "median"', 'hash = "median"']),
        ([RAW], "pca", ["clusters that no hyperplanes", "clusters that no hyperplanes"]),
        ([CENTRED], "centred", []),
        ([WIDE], "hyperplanes", ["with 2.1% of all photos", 'hash = "centred"']),
        ([WIDE], "median", ['hash = "pca"']),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(tables, kind, said):
    lines = advise(tables, kind)
    assert bool(lines) == bool(said)
    for words in said:
        assert any(words in line for line in lines)


def test_a_few_photos_are_no_reason_to_warn():
    assert advise([TableStatistics(1, 1, 1, 1, 1, 0, [0.5])], "hyperplanes") == []
    assert advise([TableStatistics(300, 2, 4, 90, 76, 1.98, [0.5, 0.5])], "hyperplanes") == []
