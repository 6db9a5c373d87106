import pytest

from devise_lib.errors import InputError
from devise_lib.text.labels.hierarchy import read_edges


def test_gives_each_edge_as_parent_and_child(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("n01 n02\nn01 n03\n")
    assert list(read_edges(str(path))) == [("n01", "n02"), ("n01", "n03")]


@pytest.mark.parametrize("line", ["n01", "n01 n02 n03"])
def test_a_line_that_is_no_edge_is_told_with_its_number(tmp_path, line):
    path = tmp_path / "edges.txt"
    path.write_text(f"n01 n02\n{line}\nn01 n03\n")
    with pytest.raises(InputError, match=r"edges\.txt, line 2: want a parent and a child"):
        list(read_edges(str(path)))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.txt, want is-a edges"):
        list(read_edges(str(tmp_path / "none.txt")))


def test_reads_wordnets_edges(devise_data):
    edges = list(read_edges(str(devise_data / "labels" / "wordnet.parent-child.txt")))
    assert len(edges) == 75_850
