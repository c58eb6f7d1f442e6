"""Audio files in and out: the only place that reads or writes them.

Samples are float64 in [-1, 1], shape (channels, time): wide enough to return every 16-, 24-
and 32-bit sample unchanged. Knows no enhancer and no attack.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import struct
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from jaxtyping import Float

PCM16_STEP = 2.0**-15
LOSSLESS = {".wav": "WAV", ".flac": "FLAC"}
LOSSY = (".mp3", ".ogg", ".opus", ".m4a", ".aac")
READABLE = (*LOSSLESS, ".ogg", ".mp3")
WIDTHS = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # bytes a sample
KEPT_SUBTYPES = set(WIDTHS)
UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFF000)  # left in RIFF headers by ffmpeg and SoX when piped
LARGEST_WAV = 0xFFFFFFFF  # bytes of audio; players differ on what is larger
LONGEST_NAME = 220  # bytes, of the 255 of a file name, for what is put around it
UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's word for the length of a piped FLAC file


@dataclass(frozen=True)
class Recording:
    """Samples with what is needed to write them back as they came."""

    samples: Float[np.ndarray, "channels time"]
    sample_rate: int  # Hz
    subtype: str = "PCM_16"  # libsndfile's name of the sample format

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[1] / self.sample_rate

    def with_samples(self, samples: Float[np.ndarray, "channels time"]) -> Recording:
        """The same recording with other samples."""
        return replace(self, samples=samples)


def read(path: Path) -> Recording:
    """Read a WAV, FLAC, OGG or MP3 file at its own rate, all channels.

    Raises InputError when the file is missing, a folder, empty, not audio, cut short, without
    a single sample, or holds NaN or infinity.
    """
    with opened(path) as file:
        with decoding(path):
            samples = file.read(dtype="float64", always_2d=True).T
        check_whole(file, samples.shape[1], path)
        check_finite(samples, path)
        return Recording(samples, file.samplerate, kept_subtype(file.subtype))


@contextmanager
def opened(path: Path) -> Generator[soundfile.SoundFile]:
    """A file to read from, :func:`decoding`; raises InputError as :func:`read` does."""
    _check_is_file(path)
    source = _whole_riff(path)
    with source if isinstance(source, io.FileIO) else nullcontext():
        with decoding(path):
            file = soundfile.SoundFile(as_named(source) if isinstance(source, Path) else source)
        with file:
            if file.frames == UNKNOWN_FRAMES:
                raise InputError(
                    f"{path} does not say how long it is, as it was piped: convert it to WAV"
                )
            yield file


def as_named(path: Path) -> Any:  # bytes are not in soundfile's types
    """The name as it is on the disk, where it is no Unicode: soundfile cannot encode that."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


@contextmanager
def decoding(path: Path) -> Generator[None]:
    """Raise InputError for what libsndfile finds wrong with the file."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path} cannot be read as audio ({error.error_string.rstrip('.')}): "
            f"give a {_listed(READABLE)} file"
        ) from error


def kept_subtype(subtype: str) -> str:
    """16 bits for what was 8-bit or lossy; otherwise the format that the file came in."""
    return subtype if subtype in KEPT_SUBTYPES else "PCM_16"


def check_whole(file: soundfile.SoundFile, samples: int, path: Path) -> None:
    """Raise InputError when there is nothing to read, or less than the header promises."""
    if samples == 0:
        raise InputError(f"{path} holds no samples: record it again")
    if samples < file.frames and file.subtype not in {"MPEG_LAYER_III", "VORBIS"}:
        raise InputError(_cut_short(path))


def check_finite(
    samples: Float[np.ndarray, "channels time"], path: Path, start: int = 0
) -> None:
    """Raise InputError for NaN or infinity; ``start`` is where these samples begin."""
    finite = np.isfinite(samples)
    if not finite.all():
        sample, channel = np.argwhere(~finite.T)[0]
        raise InputError(
            f"{path} holds samples that are not numbers (the first at sample "
            f"{start + sample}, channel {channel + 1}): repair or export it again"
        )


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the audio files in it")
    if not path.exists():
        raise InputError(f"{path} does not exist: check the name")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read: check its permissions")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes): record or copy it again")


def _whole_riff(path: Path) -> Path | io.FileIO:
    """What to read: the file, or one that shows the size that its writer never filled in.

    Refuses a truncated WAV file, for libsndfile silently returns what is left of it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return path
        promised = 8 + int.from_bytes(head[4:8], "little")
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            begin = file.tell()
            if name == b"data" and length == 0 and promised <= begin < size:
                return _WithSize(path, begin)
            if name == b"data":
                if length not in UNKNOWN_SIZES and begin + length > size:
                    raise InputError(_cut_short(path))
                if size - begin > LARGEST_WAV:
                    raise InputError(
                        f"{path} is larger than a WAV file can be (4 GiB): convert it to FLAC"
                    )
                return path
            file.seek(length + length % 2, os.SEEK_CUR)
    raise InputError(_cut_short(path))


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


def _cut_short(path: Path) -> str:
    return f"{path} is cut short (its header promises more audio than it holds): copy it again"


def check_writable(path: Path, recording_subtype: str, *, force: bool) -> None:
    """Raise InputError now when :func:`write` would refuse ``path`` later."""
    suffix = path.suffix.lower()
    if suffix in LOSSY:
        raise InputError(
            f"{path} would be compressed with loss, which wears the perturbation off: "
            f"write a {_listed(LOSSLESS)} file"
        )
    if suffix not in LOSSLESS:
        raise InputError(f"{path} has an unknown ending: write a {_listed(LOSSLESS)} file")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file in it")
    if path.exists() and not force:
        raise InputError(f"{path} exists: name another file or pass --force")
    # A missing folder is made by write(), but not a whole chain of them: that is a typo.
    folder = path.parent if path.parent.exists() else path.parent.parent
    if not folder.is_dir():
        raise InputError(f"the folder {path.parent} does not exist: make it first")
    if not accepts_files(folder):
        raise InputError(f"the folder {folder} may not be written to: name another one")
    if not soundfile.check_format(LOSSLESS[suffix], recording_subtype):
        raise InputError(
            f"{path} cannot hold the {recording_subtype} samples of the input: "
            "write a .wav file"
        )


def check_fits(path: Path, samples: int, subtype: str) -> None:
    """Raise InputError when so many samples, of all channels, are too much for a WAV file."""
    if path.suffix.lower() == ".wav" and samples * WIDTHS[subtype] > LARGEST_WAV - 1000:
        raise InputError(f"{path} would be larger than a WAV file can be: write a .flac file")


def check_holds(path: Path, sample_rate: int, channels: int, subtype: str) -> None:
    """Raise InputError when there is no such file of so many channels at that rate."""
    _encoder(io.BytesIO(), path, sample_rate, channels, subtype).close()


def accepts_files(folder: Path) -> bool:
    """Tried rather than asked: permissions say little to root or of a read-only disk."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write(recording: Recording, path: Path) -> None:
    """Write a WAV or FLAC file in the recording's own sample format, whole or not at all.

    Raises InputError when the disk is full or the file cannot be written.
    """
    channels = len(recording.samples)
    with writing(path, recording.sample_rate, channels, recording.subtype) as append:
        append(recording.samples)


@contextmanager
def writing(
    path: Path, sample_rate: int, channels: int, subtype: str
) -> Generator[Callable[[Float[np.ndarray, "channels time"]], None]]:
    """A function that takes one piece of a recording after the other, for :func:`write`."""
    with replacing(path) as partial:
        path.parent.mkdir(exist_ok=True)
        with (
            _Disk(partial, "w+") as disk,
            _encoder(disk, path, sample_rate, channels, subtype) as encoder,
        ):

            def append(samples: Float[np.ndarray, "channels time"]) -> None:
                with disk.errors_shown():
                    encoder.write(as_stored(samples, subtype).T)

            yield append
            with disk.errors_shown():
                encoder.close()


def _encoder(
    disk: _Disk | io.BytesIO, path: Path, sample_rate: int, channels: int, subtype: str
) -> soundfile.SoundFile:
    kind = LOSSLESS[path.suffix.lower()]
    try:
        return soundfile.SoundFile(
            disk, "w", sample_rate, channels, subtype=subtype, format=kind
        )
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path} cannot hold {channels} channels at {sample_rate} Hz: write a .wav file"
        ) from error


class _Disk(io.FileIO):
    """A file for libsndfile, which hides some of a disk's errors: they are kept here."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return len(memoryview(data)) - len(left)

    @contextmanager
    def errors_shown(self) -> Generator[None]:
        """Raise the first OSError of the block, whatever libsndfile made of it."""
        try:
            yield
        finally:
            if self.error:
                raise self.error


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well.

    Raises InputError, and leaves nothing behind, when the place cannot be written to.
    """
    partial = hidden_beside(path, f"{secrets.token_hex(4)}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written ({error.strerror}) and nothing was left behind: "
            "free some space or name another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def hidden_beside(path: Path, ending: str) -> Path:
    """``.NAME.ENDING`` beside it; of a name that would get too long, the beginning."""
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        while len(os.fsencode(name)) > LONGEST_NAME - len(mark):
            name = name[:-1]
        name += mark
    return path.with_name(f".{name}.{ending}")


def as_stored(
    samples: Float[np.ndarray, "channels time"], subtype: str
) -> Float[np.ndarray, "channels time"]:
    """The values that a file of this sample format gives back when it is read.

    PCM rounds to the nearest step and clips at full scale.
    """
    if subtype == "FLOAT":
        return samples.astype(np.float32).astype(np.float64)
    if not subtype.startswith("PCM_"):
        return samples
    scale = 2.0 ** (int(subtype.removeprefix("PCM_")) - 1)
    steps = samples * scale  # in place from here: a long recording is large
    np.round(steps, out=steps)
    np.clip(steps, -scale, scale - 1, out=steps)
    steps /= scale
    return steps


def resample(
    samples: Float[np.ndarray, "channels time"], from_rate: int, to_rate: int
) -> Float[np.ndarray, "channels resampled"]:
    """Band-limited resampling (soxr, very high quality); round(time · to / from) samples."""
    if from_rate == to_rate:
        return samples
    import soxr

    wanted = max(1, round(samples.shape[1] * to_rate / from_rate))
    output = soxr.resample(samples.T, from_rate, to_rate, quality="VHQ").T
    return fitted(output, wanted)


def downmixed(recording: Recording, rate: int) -> Float[np.ndarray, " time"]:
    """The mean of the channels at another rate, (time,), as recognisers take it."""
    mono = recording.samples.mean(axis=0, keepdims=True)
    return resample(mono, recording.sample_rate, rate)[0]


def fitted(
    samples: Float[np.ndarray, "channels time"], length: int
) -> Float[np.ndarray, "channels length"]:
    """Cut at the end, or padded with zeros, to ``length`` samples."""
    if samples.shape[1] >= length:
        return samples[:, :length]
    return np.pad(samples, ((0, 0), (0, length - samples.shape[1])))


def _listed(endings: Iterable[str]) -> str:
    *first, last = [ending.lstrip(".").upper() for ending in endings]
    return f"{', '.join(first)} or {last}"
