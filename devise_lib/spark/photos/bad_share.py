"""The limit of refused photos: one costs a row, but too many of them stop the job."""

from collections.abc import Callable, Mapping

from devise_lib.errors import InputError
from devise_lib.reasons import Reason


def check_share(
    reasons: Mapping[str, int],
    total: int,
    max_share: float,
    job: str,
    advise: Callable[[str], str] = lambda _: "",
) -> None:
    """Raise InputError if too large a share of the photos is refused.

    Args:
        reasons: refused photos by reason; those that were removed from their source do not count.
        total: photos that were tried, refused ones included.
        max_share: the largest share that may be refused, in [0, 1].
        job: whose `max_bad_share` the message names.
        advise: gives advice on the most frequent reason: a sentence and a blank, or "".

    Raises:
        InputError: the share is above `max_share`; names the most frequent reason and what to do.
    """
    bad = {reason: count for reason, count in reasons.items() if reason != Reason.REMOVED}
    count = sum(bad.values())
    if total and count > max_share * total:
        worst = max(bad, key=lambda reason: bad[reason])
        raise InputError(
            f"{count} of {total} photos are refused, above max_bad_share = {max_share}; most often "
            f"{worst} ({bad[worst]}). {advise(worst)}Repair the source and run it again with "
            f"--retry {worst}, or raise {job}.max_bad_share"
        )
