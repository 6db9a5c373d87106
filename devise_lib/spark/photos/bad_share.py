"""The limit of refused photos: one costs a row, but too many of them stop the job."""

from collections.abc import Callable, Mapping

from devise_lib.errors import InputError
from devise_lib.reasons import Reason, worst_reason


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
    if total and (worst := worst_reason(bad, total, max_share)):
        raise InputError(
            f"{sum(bad.values())} of {total} photos are refused, above max_bad_share = "
            f"{max_share}; most often {worst} ({bad[worst]}). {advise(worst)}Repair the source and "
            f"run it again with --retry {worst}, or raise {job}.max_bad_share"
        )
