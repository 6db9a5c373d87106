import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.labels.class_names import parse_class_names, read_class_names

names = st.lists(st.from_regex(r"[a-z][a-z+_]{0,8}", fullmatch=True), min_size=1, unique=True)


@given(names, st.integers(0, 3))
def test_a_number_before_each_name_is_no_part_of_it(some, first):
    plain = list(enumerate(some, start=1))
    numbered = [(i, f"{i - 1 + first:6d}\t{name}") for i, name in plain]
    assert parse_class_names(plain, "f") == parse_class_names(numbered, "f") == some


def test_reads_a_file_as_awa2_and_as_cifar_have_them(tmp_path):
    awa2, cifar = tmp_path / "classes.txt", tmp_path / "batches.meta.txt"
    awa2.write_text("     1\tantelope\n     2\tgrizzly+bear\n")
    cifar.write_text("airplane\nautomobile\n\n")
    assert read_class_names(str(awa2)) == ["antelope", "grizzly+bear"]
    assert read_class_names(str(cifar)) == ["airplane", "automobile"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "f: no class name in it"),
        (["ant", "bee", "ant"], "line 3: the class 'ant' comes twice"),
        (["1 ant", "3 bee"], "line 2: want the number 2 and a class name.*got '3 bee'"),
        (["1 ant", "bee"], "line 2: want the number 2"),
    ],
)
def test_what_is_no_list_of_classes_is_told_with_its_line(lines, message):
    with pytest.raises(InputError, match=message):
        parse_class_names(enumerate(lines, start=1), "f")
