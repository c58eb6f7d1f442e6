"""Recordings read piece by piece: an hour takes no more memory than a minute."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from unhear.audio import (
    PCM16_STEP,
    as_stored,
    check_finite,
    check_whole,
    decoding,
    fitted,
    kept_subtype,
    opened,
    resample,
)
from unhear.errors import InputError

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
        self._file, self._path, self._raw = file, path, scratch
        self.samples, self.peak = 0, 0.0
        self._energies: list[float] = []  # of each second
        self.sounding = np.zeros(file.channels, bool)
        seconds = max(1, BLOCK // self.sample_rate)
        while (block := self._read(seconds * self.sample_rate)).size:
            check_finite(block, path, self.samples)
            self._look_at(block)
        check_whole(file, self.samples, path)

    def _read(self, samples: int) -> Float[np.ndarray, "channels time"]:
        with decoding(self._path):
            return self._file.read(samples, dtype="float64", always_2d=True).T

    def _look_at(self, block: Float[np.ndarray, "channels time"]) -> None:
        self.samples += block.shape[1]
        self.peak = max(self.peak, float(np.abs(block).max()))
        starts = np.arange(0, block.shape[1], self.sample_rate)
        self._energies += np.add.reduceat(np.square(block).sum(0), starts).tolist()
        stored = as_stored(block, self.subtype)
        self.sounding |= stored.any(axis=1)
        if self._raw:
            self._keep(stored, self._raw)

    def _keep(self, stored: Float[np.ndarray, "channels time"], raw: BinaryIO) -> None:
        """In 16 bits, which is what lossy files become."""
        try:
            raw.write((stored.T / PCM16_STEP).astype("<i2").tobytes())
        except OSError as error:
            raise InputError(
                f"{self._path} could not be unpacked into {tempfile.gettempdir()} "
                f"({error.strerror}): make room there, or set TMPDIR"
            ) from error

    def part(self, start: int, stop: int) -> Float[np.ndarray, "channels time"]:
        if self._raw:
            channels = len(self.sounding)
            self._raw.seek(2 * start * channels)
            read = self._raw.read(2 * (stop - start) * channels)
            return np.frombuffer(read, "<i2").reshape(-1, channels).T * PCM16_STEP
        self._file.seek(start)
        return as_stored(self._read(stop - start), self.subtype)

    def loudest(self, seconds: float, grid: int = 1) -> tuple[int, int]:
        """Where that much of it has the most energy, to within a second and ``grid`` samples,
        at a multiple of which it begins.
        """
        wanted = min(self.samples, round(seconds * self.sample_rate))
        whole = min(max(1, round(seconds)), len(self._energies))
        sums = np.convolve(self._energies, np.ones(whole), "valid")
        start = min(int(np.argmax(sums)) * self.sample_rate, self.samples - wanted)
        start -= start % grid
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


def looked_through(path: Path) -> AudioFile:
    """What is known of a file, which is closed again; raises InputError as it is opened."""
    with opened(path) as file:
        return AudioFile(file, path, None)


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
