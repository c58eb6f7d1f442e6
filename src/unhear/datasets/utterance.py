"""What all layouts of speech share: the utterance, and how its files are found and read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.audio import READABLE
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_LOCK = ".unhear.lock"  # in every folder that an evaluation writes into


@dataclass(frozen=True)
class Utterance:
    """One spoken clip."""

    name: str  # unique: the dataset's own identifier, else the path in its folder, no ending
    path: Path
    speaker: str  # empty when unknown
    transcript: str
    noisy: Path | None = None  # the dataset's own noisy recording of it


def recordings(folder: Path) -> list[Path]:
    """The audio files anywhere below the folder, by name; hidden files are none, nor is what
    `unhear evaluate` has left in a folder there. Links to folders are followed.
    """
    found = list(_below(folder))
    runs = {path.parent for path in found if path.name == RUN_LOCK}
    return sorted(
        path
        for path in found
        if path.suffix.lower() in READABLE
        and not path.name.startswith(".")
        and path.is_file()
        and runs.isdisjoint(path.parents)
    )


def _below(folder: Path) -> Iterator[Path]:
    """All files there; no folder twice, and those that are no links first."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        for here, folders, files in os.walk(waiting.pop(0)):
            if (place := Path(here).resolve()) in seen:
                folders.clear()
                continue
            seen.add(place)
            yield from (Path(here, name) for name in files)
            links = sorted(name for name in folders if Path(here, name).is_symlink())
            waiting += [Path(here, name) for name in links]
            folders[:] = sorted({*folders} - {*links})


def name_in(folder: Path, path: Path) -> str:
    """``path`` without its ending, relative to the folder when it lies there."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path
    return as_text(inside.with_suffix("").as_posix())


def as_text(name: str) -> str:
    """A file's name as Unicode, which rows are written in; other bytes by their numbers."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def existing(path: Path, named_in: Path) -> Path:
    """``path``; raises InputError when the file that ``named_in`` names is not there."""
    if not path.is_file():
        raise InputError(f"{path} is named in {named_in} but is not there: check the name")
    return path


def read_text(path: Path) -> str:
    """The content of a UTF-8 file; raises InputError when it is missing or something else."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the file") from error


def read_words(path: Path) -> str:
    """The content of a UTF-8 file on one line."""
    return " ".join(read_text(path).split())
