"""Reads the members of a tar one after another, and accounts for every byte of the tar.

Python's tarfile parses the headers, with these differences:

- tarfile takes the first zero block or broken header for the end of a tar. Here a zero block is the
  end only if nothing but zeros follow, and a broken header is an error.
- tarfile trusts the numbers in headers. Here impossible ones are an error.
- tarfile takes the times in GNU's own headers for the first part of a path. Here only POSIX headers
  have such a part.
"""

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from devise_lib.errors import InputError

BLOCK = 512  # bytes of a header
MAX_HEADER_BYTES = 1 << 20  # for the data that belong to one header: a long name, PAX records
_MAGIC, _PREFIX = slice(257, 265), slice(345, 500)  # fields of a header
_POSIX, _OLD_GNU = b"ustar", b"ustar  \0"
_EXTENSIONS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
# Python before 3.11.10 searches PAX records in time quadratic in the length of a run of digits.
_MANY_DIGITS = re.compile(rb"[0-9]{300}")
_FIRST_PIECE, _LARGEST_PIECE = 20 * BLOCK, 1 << 20  # bytes of zeros that are read at once
# The errors that tarfile raises for nonsensical headers, as far as fuzzing has found.
_TAR_ERRORS = (
    *(tarfile.TarError, EOFError, OSError, ValueError),
    *(LookupError, OverflowError, RecursionError),
)


class ArchiveError(ValueError):
    """An archive cannot be read; the message says what is wrong and where."""


class Member(NamedTuple):
    """A member of a tar.

    Attributes:
        header: the contents of its headers.
        end: the byte after its last block.
        defaults: PAX records that apply to all members from this one on.
    """

    header: tarfile.TarInfo
    end: int
    defaults: Mapping[str, str]


class TarBytes:
    """A tar, or a part of one, as a file object for tarfile: `read` for headers, `take` for
    contents.

    Args:
        read: returns the next bytes, fewer than requested only at the end.
        start: the offset in the tar of the first byte that `read` returns.
        stop: the offset after the last byte to read; None for no limit.
        seek: moves `read` to any offset of the tar; None if bytes can be read forwards only.
        name: the name of the tar, for messages.
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
        self.header_at = start  # the offset of the header that was read last

    def place(self, at: int) -> str:
        """Describes an offset, for messages."""
        return f"byte {at}{self._of}"

    def tell(self) -> int:
        """Returns the current offset in the tar."""
        return self._at

    def seek(self, place: int) -> None:
        """Moves to an offset.

        Raises:
            ArchiveError: the offset lies before the current one, and bytes are read forwards only.
        """
        if self._seek:
            self._seek(place)
            self._at, self._ahead = place, b""
        elif place < self._at:
            raise ArchiveError(f"two members overlap at {self.place(place)}")
        while self._at < place and self.take(min(place - self._at, _LARGEST_PIECE)):
            pass
        self._at = place  # as with a file, it may lie beyond the end

    def read(self, count: int) -> bytes:
        """Reads a header, or the data that belong to one.

        Raises:
            ArchiveError: the header is too large, or holds what no program that makes tars writes.
        """
        self.header_at = self._at
        if count > BLOCK + MAX_HEADER_BYTES:
            raise ArchiveError(f"a header of {count:,} bytes")
        data = self.take(count)
        if count > BLOCK and _MANY_DIGITS.search(data):
            raise ArchiveError("a header with a number of hundreds of digits")
        return data

    def take(self, count: int) -> bytes:
        """Returns the next bytes, fewer than `count` only at the end."""
        if self._stop is not None:
            count = max(0, min(count, self._stop - self._at))
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(data) < count:
            data += self._read(count - len(data))
        self._at += len(data)
        return data

    def skip_zeros(self, block_at: int) -> bool:
        """Moves to the next block that is not all zeros; returns False if there is none.

        Args:
            block_at: the offset of any block; the others lie at multiples of BLOCK from it.
        """
        size = _FIRST_PIECE
        while piece := self.take(size):
            if rest := piece.lstrip(b"\0"):
                zeros = len(piece) - len(rest)
                zeros -= (self._at - len(rest) - block_at) % BLOCK  # back to the start of its block
                self._ahead = piece[max(zeros, 0) :] + self._ahead
                self._at -= len(piece) - max(zeros, 0)
                return True
            size = min(2 * size, _LARGEST_PIECE)
        return False


class _Header(tarfile.TarInfo):
    """A header that raises an error where tarfile takes it for the end of the tar.

    Its name is the one that GNU tar gives the member.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError:
            if any(buf):
                raise ArchiveError("no header of a member") from None
            raise  # a zero block, perhaps the end
        if header.size < 0:
            raise ArchiveError("a header that states a negative size")
        if header.type in _EXTENSIONS and header.size > MAX_HEADER_BYTES:
            raise ArchiveError(f"a header of {header.size:,} bytes")
        magic = bytes(buf[_MAGIC])
        if magic == _OLD_GNU or not magic.startswith(_POSIX):
            # GNU tar stores times in these bytes of incremental archives.
            prefix = bytes(buf[_PREFIX]).split(b"\0")[0].decode(encoding, errors)
            if prefix and header.type not in tarfile.GNU_TYPES:  # tarfile itself ignores theirs
                header.name = header.name.removeprefix(f"{prefix}/")
        return header


def walk(
    source: TarBytes, defaults: Mapping[str, str] | None = None, *, whole: bool
) -> Iterator[Member]:
    """Yields the members in their order, including those of tars appended to the first one.

    Args:
        source: at a header, or at the zeros before one.
        defaults: PAX records that apply to all members.
        whole: whether the tar must have an end mark.

    Raises:
        ArchiveError: the source is no tar, is cut off, or has other bytes between two members.
    """
    with archive_errors(source):
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
                tar.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps them all
                _check(header, end, tar.offset)
                end = tar.offset
                yield Member(header, end, tar.pax_headers)
            is_marked = source.tell() > end  # a zero block was read as a header
            if not source.skip_zeros(start):
                if whole and not is_marked and source.tell() > begun:
                    raise ArchiveError(
                        f"it is cut off at {source.place(end)}, where its end is not marked"
                    )
                return
            defaults = {}  # the records of one tar do not apply to the next


def _check(header: tarfile.TarInfo, before: int, end: int) -> None:
    """Refuses a member whose header leads backwards, or beyond the size that a file can have."""
    if not before <= header.offset < header.offset_data <= end < 2**63 or header.size < 0:
        raise ArchiveError(f"a header that states a size of {header.size:,} bytes")


@contextmanager
def archive_errors(source: TarBytes) -> Iterator[None]:
    """Converts the errors of tarfile inside the block to ArchiveError with the offset of the
    header.
    """
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
    """Returns a sparse file with its holes as zeros; None if the list of its pieces is invalid.

    Args:
        stored: the pieces, one after another, each padded to whole blocks, as in GNU tar.
        pieces: the offset of each piece in the file, and its number of bytes.
        size: the size of the file in bytes.
    """
    whole, at, filled = bytearray(size), 0, 0
    for offset, count in pieces:
        if not count:  # padding of the list
            continue
        if offset < filled or count < 0 or offset + count > size or at + count > len(stored):
            return None
        whole[offset : offset + count] = stored[at : at + count]
        filled, at = offset + count, at + count + -count % BLOCK
    return bytes(whole)
