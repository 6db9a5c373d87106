"""A bad photo costs one row; too many of them cost the job."""

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
    """Nothing, as long as not too many rows are bad.

    Args:
        reasons: bad rows by reason; those that were removed from their source do not count.
        total: rows that were tried, bad ones included.
        max_share: the most that may be bad.
        job: for the message.
        advise: what more to say of the reason that dominates; a sentence and a blank.

    Raises:
        InputError: the share of bad rows is above `max_share`.
    """
    bad = {reason: count for reason, count in reasons.items() if reason != Reason.REMOVED}
    count = sum(bad.values())
    if total and count > max_share * total:
        worst = max(bad, key=lambda reason: bad[reason])
        raise InputError(
            f"{count} of {total} photos are refused, above max_bad_share = {max_share}; most often "
            f"{worst} ({bad[worst]}). {advise(worst)}Mend the source and run it again with "
            f"--retry {worst}, or raise {job}.max_bad_share"
        )
