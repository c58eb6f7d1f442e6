"""Audio files in."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, nullcontext
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from unhear.audio import riff
from unhear.audio.formats import READABLE, kept_subtype, listed
from unhear.audio.samples import Recording
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator

    from jaxtyping import Float

UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's word for the length of a piped FLAC file


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
    source = riff.whole(path)
    with source if isinstance(source, io.FileIO) else nullcontext():
        with decoding(path):
            file = soundfile.SoundFile(
                _as_named(source) if isinstance(source, Path) else source
            )
        with file:
            if file.frames == UNKNOWN_FRAMES:
                raise InputError(
                    f"{path} does not say how long it is, as it was piped: convert it to WAV"
                )
            yield file


def _as_named(path: Path) -> Any:  # bytes are not in soundfile's types
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
            f"give a {listed(READABLE)} file{_converted(path)}"
        ) from error


def _converted(path: Path) -> str:
    """How to get one out of another kind of file, such as a telephone's M4A."""
    if path.suffix.lower() in READABLE:
        return ""
    return f", such as `ffmpeg -i {path.name} {path.stem}.wav` makes"


def check_whole(file: soundfile.SoundFile, samples: int, path: Path) -> None:
    """Raise InputError when there is nothing to read, or less than the header promises."""
    if samples == 0:
        raise InputError(f"{path} holds no samples: record it again")
    if file.frames - samples > _tolerated(file, path):
        raise InputError(riff.cut_short(path))


def _tolerated(file: soundfile.SoundFile, path: Path) -> float:
    """Samples that may be missing: an MP3 file's padding is in its length, where it has one."""
    if file.format == "MP3" and _states_its_length(path):
        return max(0.1 * file.samplerate, 0.01 * file.frames)
    return inf if file.format == "MP3" or file.subtype == "VORBIS" else 0.0


def _states_its_length(path: Path) -> bool:
    """Whether an MP3 file begins with a frame that does, behind its tag; else it is guessed."""
    with path.open("rb") as file:
        head = file.read(10)
        tag = head[:3] == b"ID3"
        # Four bytes of seven bits each.
        file.seek(
            10 + sum(byte << 7 * (3 - at) for at, byte in enumerate(head[6:])) if tag else 0
        )
        frame = file.read(1024)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


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
