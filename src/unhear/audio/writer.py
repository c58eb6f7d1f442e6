"""Audio files out, whole or not at all."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import soundfile

from unhear.audio.formats import LOSSLESS, LOSSY, WIDTHS, listed
from unhear.audio.riff import LARGEST_WAV
from unhear.audio.samples import as_stored
from unhear.errors import InputError
from unhear.outputs import accepts_files, replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np
    from jaxtyping import Float

    from unhear.audio.samples import Recording


def check_writable(path: Path, recording_subtype: str, *, force: bool) -> None:
    """Raise InputError now when :func:`write` would refuse ``path`` later."""
    suffix = path.suffix.lower()
    if suffix in LOSSY:
        raise InputError(
            f"{path} would be compressed with loss, which wears the perturbation off: "
            f"write a {listed(LOSSLESS)} file"
        )
    if suffix not in LOSSLESS:
        raise InputError(f"{path} has an unknown ending: write a {listed(LOSSLESS)} file")
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
