import pytest

from devise_lib.reasons import Reason
from devise_lib.spark.ingest.commits import advice


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.NOT_AN_IMAGE, r"include = '(?i)\.(jpe?g|png)$'. "),
        (Reason.UNSUPPORTED_FORMAT, "Convert such files to JPEG or PNG and unpack archives, or "),
        (Reason.EMPTY, "copy them again, or delete them. "),
    ],
)
def test_each_reason_has_advice_that_helps(reason, words):
    """The kind of fault: an advice leaves out none of the files that it is given for."""
    told = advice(reason, ["a.jpg (no bytes)", "b.jpg (no bytes)"])
    assert told.startswith("For example a.jpg (no bytes) and b.jpg (no bytes). ")
    assert words in told
    assert ("jpe?g" in told) == (reason is Reason.NOT_AN_IMAGE)


def test_without_files_or_advice_nothing_is_said():
    assert advice(Reason.DECODE_ERROR, []) == ""
    assert advice(Reason.TRUNCATED, ["a.jpg (cut)"]) == "For example a.jpg (cut). "
