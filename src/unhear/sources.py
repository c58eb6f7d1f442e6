"""Recordings read piece by piece: an hour takes no more memory than a minute."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from unhear.audio import (
    as_stored,
    check_finite,
    check_whole,
    fitted,
    kept_subtype,
    opened,
    resample,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import BinaryIO

    import soundfile
    from jaxtyping import Bool, Float

    from unhear.audio import Recording

BLOCK = 2**20  # samples that are read at once
EXACT = ("PCM_", "FLOAT", "DOUBLE")  # formats in which a place is found to the sample
MARGIN_SECONDS = 0.25  # more than the resampler's filter reaches to either side


class Source(ABC):
    """A recording of which any piece can be had, as a file of its format would hold it."""

    sample_rate: int  # Hz
    subtype: str  # libsndfile's name of the sample format
    samples: int  # of each channel
    sounding: Bool[np.ndarray, " channels"]  # where there is anything but zeros

    @abstractmethod
    def part(self, start: int, stop: int) -> Float[np.ndarray, "channels time"]:
        """Samples ``start`` to ``stop``, which both lie inside the recording."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.sample_rate

    def resampled(
        self, start: int, stop: int, rate: int
    ) -> Float[np.ndarray, "channels samples"]:
        """From ``start`` to ``stop`` at ``rate``, of what resampling makes of the whole."""
        return resampled_part(self.part, self.samples, (self.sample_rate, rate), (start, stop))


class InMemory(Source):
    """A recording that is there as a whole."""

    def __init__(self, recording: Recording) -> None:
        self.sample_rate, self.subtype = recording.sample_rate, recording.subtype
        self._stored = as_stored(recording.samples, recording.subtype)
        self.samples = self._stored.shape[1]
        self.sounding = np.any(self._stored != 0, axis=1)

    def part(self, start: int, stop: int) -> Float[np.ndarray, "channels time"]:
        return self._stored[:, start:stop]


class AudioFile(Source):
    """An open file, of which all was looked through; see :func:`open_source`.

    Its samples are copied to ``scratch``, if that is given, and come from there.
    """

    def __init__(self, file: soundfile.SoundFile, path: Path, scratch: BinaryIO | None) -> None:
        self.sample_rate, self.subtype = file.samplerate, kept_subtype(file.subtype)
        self._file, self._channels = file, file.channels
        self._raw = scratch
        self.samples, self.peak = 0, 0.0
        self._powers: list[float] = []  # of each block
        self.sounding = np.zeros(file.channels, bool)
        while len(block := file.read(BLOCK, dtype="float64", always_2d=True)):
            check_finite(block.T, path, self.samples)
            self._look_at(block.T)
        check_whole(file, self.samples, path)

    def _look_at(self, block: Float[np.ndarray, "channels time"]) -> None:
        self.samples += block.shape[1]
        self.peak = max(self.peak, float(np.abs(block).max()))
        self._powers.append(float(np.square(block).mean()))
        self.sounding |= as_stored(block, self.subtype).any(axis=1)
        if self._raw:
            self._raw.write(block.T.astype("<f8").tobytes())

    def part(self, start: int, stop: int) -> Float[np.ndarray, "channels time"]:
        if self._raw:
            self._raw.seek(8 * start * self._channels)
            read = self._raw.read(8 * (stop - start) * self._channels)
            samples = np.frombuffer(read, "<f8").reshape(-1, self._channels)
        else:
            self._file.seek(start)
            samples = self._file.read(stop - start, dtype="float64", always_2d=True)
        return as_stored(samples.T, self.subtype)

    def loudest(self, seconds: float) -> tuple[int, int]:
        """Where that much of it has the most energy, to within a block of samples."""
        wanted = min(self.samples, round(seconds * self.sample_rate))
        blocks = -(-wanted // BLOCK)
        sums = np.convolve(self._powers, np.ones(blocks), "valid")
        start = min(int(np.argmax(sums)) * BLOCK, self.samples - wanted)
        return start, start + wanted


@contextmanager
def open_source(path: Path) -> Generator[AudioFile]:
    """A file to be read piece by piece, which is looked through first: what is wrong with it
    is known before any work is done. Raises InputError as :func:`unhear.audio.read` does.
    """
    with opened(path) as file:
        # Some decoders do not find a place to the sample: what they give is kept.
        exact = file.subtype.startswith(EXACT)
        with nullcontext() if exact else tempfile.TemporaryFile() as scratch:
            yield AudioFile(file, path, scratch)


def resampled_part(
    part: Callable[[int, int], Float[np.ndarray, "channels time"]],
    samples: int,
    rates: tuple[int, int],
    place: tuple[int, int],
) -> Float[np.ndarray, "channels samples"]:
    """A piece of a long signal at another rate, as if all of it had been resampled.

    ``part`` gives the ``samples`` at the first of the ``rates``; ``place`` is from where to
    where at the second, and zeros follow the signal's end.
    """
    own, rate = rates
    start, stop = place
    unit = rate // gcd(own, rate)  # samples of either rate meet at its multiples
    begin = max(0, start - round(MARGIN_SECONDS * rate)) // unit * unit
    first = begin * own // rate
    last = min(samples, -(-(stop + round(MARGIN_SECONDS * rate)) * own // rate))
    piece = resample(part(first, last), own, rate)
    return fitted(piece[:, start - begin :], stop - start)
