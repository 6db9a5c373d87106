"""The keys of the search jobs that go together or do not."""

import pytest
from pydantic import ValidationError

from devise_lib.config import search
from devise_lib.config.search import ExportSignatures, FindNeighbours
from devise_lib.lsh import hashing


def test_the_bits_of_a_signature_are_those_of_the_hash():
    assert search.SIGNATURE_BITS == hashing.SIGNATURE_BITS


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (
            {"kinds": "multi_hash", "multi_hash_tables": 20, "multi_hash_bits": 13},
            "multi_hash_tables x multi_hash_bits is 260, and a signature has 256 bits",
        ),
        ({"kinds": ("hash", "hash")}, "kinds has one twice"),
        ({"kinds": ()}, "at least 1 item"),
        ({"kinds": "flat"}, "'ivf', 'hash' or 'multi_hash'"),
        ({"kinds": "hash", "probes": 3}, "kinds is hash, which has no use for probes"),
        ({"flips": 1}, "kinds is ivf, which has no use for flips"),
        (
            {"kinds": ("ivf", "hash"), "multi_hash_bits": 3, "multi_hash_tables": 4},
            "no use for multi_hash_bits, multi_hash_tables",
        ),
    ],
)
def test_keys_of_an_export_that_cannot_work_are_refused(values, fault):
    with pytest.raises(ValidationError, match=fault):
        ExportSignatures(**values)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (
            {"via": "signatures", "task_rows": 9},
            "via is signatures, .* no use for task_rows",
        ),
        (
            {"probes": 2, "keep_found": True},
            "via is index, .* no use for keep_found, probes",
        ),
    ],
)
def test_keys_of_the_other_way_to_neighbours_are_refused(values, fault):
    with pytest.raises(ValidationError, match=fault):
        FindNeighbours(**values)


def test_keys_of_the_kinds_that_are_made_are_taken():
    taken = ExportSignatures(kinds="multi_hash", multi_hash_tables=16, multi_hash_bits=16, flips=1)
    assert (taken.kinds, taken.flips) == (("multi_hash",), 1)
    assert ExportSignatures(kinds=("ivf", "hash"), probes=2, flips=0).kinds == ("ivf", "hash")
