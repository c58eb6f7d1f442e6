"""Which output file belongs to which input; refuses what would lose something."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unhear.audio import LOSSLESS, LOSSY, check_fits, check_holds, check_writable
from unhear.errors import InputError
from unhear.outputs import accepts_files
from unhear.sources import looked_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def output_paths(inputs: Sequence[Path], output: Path) -> list[Path]:
    """One path for each input: ``output`` itself for one input, else a file in that folder.

    Names are kept in a folder, but lossy endings become ``.wav``.
    Raises InputError when two would be the same, one is an input itself, or several inputs
    have one file as their output.
    """
    if len(inputs) > 1 and output.suffix.lower() in (*LOSSLESS, *LOSSY) and not output.is_dir():
        _check_no_value(inputs)
        raise InputError(f"{output} is one file for {len(inputs)} inputs: name a folder")
    if len(inputs) == 1 and not (output.is_dir() or output.suffix == ""):
        paths = [output]
    else:
        paths = [output / _kept_name(path) for path in inputs]
    sources = {_identity(each) for each in inputs if each.exists()}
    twice = _clashing(paths)
    for path in paths:
        if path in twice:
            raise InputError(f"two inputs would both become {path}: protect them one by one")
        if path.exists() and _identity(path) in sources:
            raise InputError(
                f"{path} is an input and would be overwritten: name another output"
            )
    return paths


def _clashing(paths: Sequence[Path]) -> set[Path]:
    """Those of which another is the same file: many disks do not tell capitals from small
    letters.
    """
    counts = Counter(str(path).casefold() for path in paths)
    return {path for path in paths if counts[str(path).casefold()] > 1}


def _check_no_value(inputs: Iterable[Path]) -> None:
    """Raise InputError for the second word after an option that takes one: a recording has an
    ending.
    """
    for path in inputs:
        if not path.exists() and not path.suffix:
            raise InputError(
                f"{path} does not exist: check the name or, if it belongs to the option before "
                "it, repeat that"
            )


def _identity(path: Path) -> tuple[int, int]:
    """Of the file, by whatever name."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _kept_name(path: Path) -> str:
    return path.name if path.suffix.lower() in LOSSLESS else path.with_suffix(".wav").name


def check_all(
    inputs: Sequence[Path], outputs: Sequence[Path], *, force: bool, subtype: str | None = None
) -> None:
    """Raise InputError for the first input that cannot be read or output that cannot be
    written, before any work is done. ``subtype`` is that of the outputs when it is not kept.
    """
    _check_no_value(inputs)
    for source, target in zip(inputs, outputs, strict=True):
        file = looked_through(source)
        channels, kept = len(file.sounding), subtype or file.subtype
        check_writable(target, kept, force=force)
        check_fits(target, file.samples * channels, kept)
        check_holds(target, file.sample_rate, channels, kept)


def nearest_existing(folder: Path) -> Path:
    """It, or the nearest one above it that there is."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def page_of(output: Path, folder: Path) -> Path:
    """Where the page on a protected recording is."""
    return folder / f"{output.stem}.html"


def check_pages(outputs: Sequence[Path], folder: Path, *, force: bool) -> None:
    """Raise InputError when the pages on ``outputs`` cannot be written into ``folder``."""
    pages = [page_of(path, folder) for path in outputs]
    twice = _clashing(pages)
    for page in pages:
        if page in twice:
            raise InputError(f"two recordings would both have {page}: protect them one by one")
        if page.exists() and not force:
            raise InputError(f"{page} exists: name another folder or pass --force")
    nearest = nearest_existing(folder)
    if not nearest.is_dir():
        raise InputError(f"{nearest} is not a folder: name another one for the pages")
    if not accepts_files(nearest):
        raise InputError(f"the folder {nearest} may not be written to: name another one")
