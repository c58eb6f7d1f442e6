"""WAV files as they are: cut short, or with sizes that their writer never filled in."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# Left in RIFF headers by those who could not go back: 0xFFFFFFFF by ffmpeg, 0x7FFFF000 by SoX,
# less what is no whole sample, others 2 GiB.
UNKNOWN_SIZES = (range(0x7FFFE000, 0x80000001), range(0xFFFFF000, 0x100000000))
UNKNOWN = 0xFFFFFFFF  # in RF64: stands elsewhere
LARGEST_WAV = 0xFFFFFFFF  # bytes of audio; players differ on what is larger


def whole(path: Path) -> Path | io.FileIO:
    """What to read: the file, or one that shows the size that its writer never filled in.

    Refuses a truncated WAV file, for libsndfile silently returns what is left of it.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] not in {b"RIFF", b"RF64"} or head[8:] != b"WAVE":
            return path
        promised, large = 8 + int.from_bytes(head[4:8], "little"), 0
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            begin = file.tell()
            if name == b"data" and head[:4] == b"RF64":
                return _checked_large(path, begin, length if length < UNKNOWN else large)
            if name == b"data":
                return _checked(path, begin, length, promised)
            if name == b"ds64":
                large = int.from_bytes(file.read(16)[8:], "little")
            file.seek(begin + length + length % 2)
    raise InputError(cut_short(path))


def _checked_large(path: Path, begin: int, length: int) -> Path:
    """RF64, whose sizes have 64 bits; 0 and the largest were never filled in."""
    if length != 2**64 - 1 and begin + length > path.stat().st_size:
        raise InputError(cut_short(path))
    return path


def _checked(path: Path, begin: int, length: int, promised: int) -> Path | io.FileIO:
    """What to read of a file whose ``length`` bytes of audio begin there."""
    size = path.stat().st_size
    if size - begin > LARGEST_WAV:
        raise InputError(f"{path} is larger than a WAV file can be (4 GiB): convert it to FLAC")
    unfilled = promised <= begin or promised - 8 == UNKNOWN
    if length == 0 and unfilled and begin < size:
        return _WithSize(path, begin)
    if begin + length > size and not any(length in each for each in UNKNOWN_SIZES):
        raise InputError(cut_short(path))
    return path


class _WithSize(io.FileIO):
    """A WAV file whose header shows how much audio follows, in the four bytes before it."""

    def __init__(self, path: Path, begin: int) -> None:
        super().__init__(path)
        self._place = begin - 4
        self._shown = struct.pack("<I", min(path.stat().st_size - begin, LARGEST_WAV))

    def readinto(self, buffer: Any) -> int:
        start, view = self.tell(), memoryview(buffer).cast("B")
        count = super().readinto(view)
        for place, byte in enumerate(self._shown, self._place - start):
            if 0 <= place < count:
                view[place : place + 1] = bytes([byte])
        return count


def cut_short(path: Path) -> str:
    """What is wrong with a file that has less than it promises, in a sentence."""
    return f"{path} is cut short (its header promises more audio than it holds): copy it again"
