"""The members of a tar, one after another, with every byte of the tar accounted for.

Python's tarfile parses the headers. It takes the first zero block or broken header for the end of a
tar, and trusts the numbers that headers hold. Here a zero block ends a tar only where zeros alone
follow, and a broken header is an error. tarfile also takes the times in GNU's own headers for the
first part of a path. Here such a part counts in headers of POSIX alone.
"""

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from devise_lib.errors import InputError

BLOCK = 512  # bytes of a header
MAX_HEADER_BYTES = 1 << 20  # of what belongs to one header: a long name, the records of PAX
_MAGIC, _PREFIX = slice(257, 265), slice(345, 500)  # fields of a header
_POSIX, _OLD_GNU = b"ustar", b"ustar  \0"
_EXTENSIONS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
# Python before 3.11.10 searches PAX records in a time that grows with the square of such a run.
_MANY_DIGITS = re.compile(rb"[0-9]{300}")
_FIRST_PIECE, _LARGEST_PIECE = 20 * BLOCK, 1 << 20  # of zeros that are read at once
# What tarfile raises of headers that hold nonsense, as far as fuzzing has found.
_TAR_ERRORS = (
    *(tarfile.TarError, EOFError, OSError, ValueError),
    *(LookupError, OverflowError, RecursionError),
)


class ArchiveError(ValueError):
    """An archive that cannot be read; the message says what is wrong and where."""


class Member(NamedTuple):
    """A member of a tar.

    Attributes:
        header: what its headers tell.
        end: the byte after its last block.
        defaults: PAX records that hold for all members from here on.
    """

    header: tarfile.TarInfo
    end: int
    defaults: Mapping[str, str]


class TarBytes:
    """A tar, or a part of one, as tarfile reads it: headers by `read`, contents by `take`.

    Args:
        read: gives the next bytes, fewer than it is asked for only at their end.
        start: the place in the tar of the first byte that it gives.
        stop: the place behind the last byte that is wanted; None: there is no such place.
        seek: goes to any place of the tar; None: bytes are only read forwards.
        name: of the tar, for messages.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        start: int = 0,
        stop: int | None = None,
        seek: Callable[[int], object] | None = None,
        name: str = "",
    ) -> None:
        self._read, self._seek, self._stop = read, seek, stop
        self._at, self._ahead = start, b""
        self._of = f" of {name}" if name else ""
        self.header_at = start  # the place of the header that was read last

    def place(self, at: int) -> str:
        """A place, for messages."""
        return f"byte {at}{self._of}"

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> None:
        """Go to a place.

        Raises:
            ArchiveError: it lies behind, and bytes are only read forwards.
        """
        if self._seek:
            self._seek(place)
            self._at, self._ahead = place, b""
        elif place < self._at:
            raise ArchiveError(f"two members overlap at {self.place(place)}")
        while self._at < place and self.take(min(place - self._at, _LARGEST_PIECE)):
            pass
        self._at = place  # as of a file, it may lie beyond the end

    def read(self, count: int) -> bytes:
        """A header, or what belongs to one.

        Raises:
            ArchiveError: it is too large to be one, or holds what no writer of tars writes.
        """
        self.header_at = self._at
        if count > BLOCK + MAX_HEADER_BYTES:
            raise ArchiveError(f"a header of {count:,} bytes")
        data = self.take(count)
        if count > BLOCK and _MANY_DIGITS.search(data):
            raise ArchiveError("a header with a number of hundreds of digits")
        return data

    def take(self, count: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if self._stop is not None:
            count = max(0, min(count, self._stop - self._at))
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(data) < count:
            data += self._read(count - len(data))
        self._at += len(data)
        return data

    def skip_zeros(self, block_at: int) -> bool:
        """Go to the next block with something in it; False where there is none before the end.

        Args:
            block_at: the place of a block at which all blocks are counted from.
        """
        size = _FIRST_PIECE
        while piece := self.take(size):
            if rest := piece.lstrip(b"\0"):
                zeros = len(piece) - len(rest)
                zeros -= (self._at - len(rest) - block_at) % BLOCK  # back to where its block begins
                self._ahead = piece[max(zeros, 0) :] + self._ahead
                self._at -= len(piece) - max(zeros, 0)
                return True
            size = min(2 * size, _LARGEST_PIECE)
        return False


class _Header(tarfile.TarInfo):
    """A header that is refused where tarfile takes it for the end of the tar.

    Its name is the one that GNU tar gives it.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError:
            if any(buf):
                raise ArchiveError("no header of a member") from None
            raise  # the end
        if header.size < 0:
            raise ArchiveError("a header that tells a negative size")
        if header.type in _EXTENSIONS and header.size > MAX_HEADER_BYTES:
            raise ArchiveError(f"a header of {header.size:,} bytes")
        magic = bytes(buf[_MAGIC])
        if magic == _OLD_GNU or not magic.startswith(_POSIX):
            # GNU tar keeps times in these bytes when it makes incremental archives.
            prefix = bytes(buf[_PREFIX]).split(b"\0")[0].decode(encoding, errors)
            if prefix and header.type not in tarfile.GNU_TYPES:  # whose prefix tarfile ignores, too
                header.name = header.name.removeprefix(f"{prefix}/")
        return header


def walk(
    source: TarBytes, defaults: Mapping[str, str] | None = None, *, whole: bool
) -> Iterator[Member]:
    """The members in their order, also those of further tars behind the end of the first one.

    Args:
        source: at a header, or at the zeros before one.
        defaults: PAX records that hold for all members.
        whole: whether the end of the tar has to be marked.

    Raises:
        ArchiveError: it is no tar, is cut off, or has something else between two members.
    """
    with told_errors(source):
        begun = source.tell()
        while True:
            start = end = source.tell()
            tar = tarfile.TarFile(
                fileobj=source,  # type: ignore[arg-type]  # has all that tarfile asks of it
                tarinfo=_Header,
                encoding="utf-8",
                pax_headers=dict(defaults or {}),
            )
            while (header := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # they would all be kept
                _check(header, end, tar.offset)
                end = tar.offset
                yield Member(header, end, tar.pax_headers)
            is_marked = source.tell() > end  # by a zero block that was read for a header
            if not source.skip_zeros(start):
                if whole and not is_marked and source.tell() > begun:
                    raise ArchiveError(
                        f"it is cut off at {source.place(end)}, where its end is not marked"
                    )
                return
            defaults = {}  # of the tar before


def _check(header: tarfile.TarInfo, before: int, end: int) -> None:
    """Refuse a member whose records lead back, or out of what a file can be."""
    if not before <= header.offset < header.offset_data <= end < 2**63 or header.size < 0:
        raise ArchiveError(f"a header that tells a size of {header.size:,} bytes")


@contextmanager
def told_errors(source: TarBytes) -> Iterator[None]:
    """What tarfile raises inside as ArchiveError, with its place."""
    try:
        yield
    except InputError:
        raise
    except _TAR_ERRORS as error:
        what = str(error) or type(error).__name__
        if not isinstance(error, ArchiveError) or "byte" not in what:
            what = f"{what} at {source.place(source.header_at)}"
        raise ArchiveError(what) from error


def fill_holes(stored: bytes, pieces: Sequence[tuple[int, int]], size: int) -> bytes | None:
    """A file with its holes as zeros; None where the list of its pieces cannot be right.

    Args:
        stored: the pieces, one after another, each filled up to whole blocks, as GNU tar does.
        pieces: where each begins in the file, and its bytes.
        size: of the file.
    """
    whole, at, filled = bytearray(size), 0, 0
    for offset, count in pieces:
        if not count:  # what a list is filled up with
            continue
        if offset < filled or count < 0 or offset + count > size or at + count > len(stored):
            return None
        whole[offset : offset + count] = stored[at : at + count]
        filled, at = offset + count, at + count + -count % BLOCK
    return bytes(whole)
