"""Files that appear whole or not at all, whatever is in them."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sqlite3
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
LONGEST_NAME = 220  # bytes, of the 255 of a file name, for what is put around it


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well.

    What is in it is on the disk by then: a power cut leaves no empty file of that name.
    Raises InputError, and leaves nothing behind, when the place cannot be written to.
    """
    partial = hidden_beside(path, f"{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written ({error.strerror}) and nothing was left behind: "
            "free some space or name another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def is_out_of_room(error: BaseException) -> bool:
    """Whether an error comes of a disk that takes nothing more, whatever is to be written."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(cause, OSError) and cause.errno in NO_ROOM


def hidden_beside(path: Path, ending: str) -> Path:
    """``.NAME.ENDING`` beside it; of a name that would get too long, the beginning."""
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        while len(os.fsencode(name)) > LONGEST_NAME - len(mark):
            name = name[:-1]
        name += mark
    return path.with_name(f".{name}.{ending}")


def accepts_files(folder: Path) -> bool:
    """Tried rather than asked: permissions say little to root or of a read-only disk."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
