"""Transcripts kept by the content of the audio: recognition often costs more than the attack.

Knows nothing of engines, nor of what the audio is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from unhear.errors import InputError
from unhear.recognise.base import Recogniser, Transcript, as_samples

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import numpy as np
    from jaxtyping import Float

PATIENCE = 60.0  # s to wait while others write, which takes each of them milliseconds
TABLE = """
CREATE TABLE IF NOT EXISTS transcripts (
    audio TEXT, recogniser TEXT, asked TEXT, text TEXT NOT NULL, language TEXT NOT NULL,
    PRIMARY KEY (audio, recogniser, asked)
) WITHOUT ROWID"""
FIND = "SELECT text, language FROM transcripts WHERE (audio, recogniser, asked) = (?, ?, ?)"
ADD = "INSERT OR IGNORE INTO transcripts VALUES (?, ?, ?, ?, ?)"


class Key(NamedTuple):
    """What decides a transcript."""

    audio: str  # SHA-256 of the samples as float32
    recogniser: str  # its identity
    asked: str  # the language that was asked for; "": none


@dataclass(frozen=True)
class TranscriptStore:
    """Transcripts in one SQLite file, for any number of processes at once.

    Every change is one transaction, flushed to the disk: killed at any moment, a process leaves
    a whole file with all that it had added (with a journal beside it, perhaps, which the next
    one takes care of). Connections last for one call, a fraction of a millisecond next to
    seconds of recognition, so that none is ever shared by threads or across a fork.

    All methods raise InputError when the file is damaged or cannot be written.
    """

    path: Path

    def get(self, key: Key) -> Transcript | None:
        """What is kept under ``key``, if anything."""
        with self._opened() as connection:
            found = connection.execute(FIND, key).fetchone()
        return Transcript(*found) if found else None

    def setdefault(self, key: Key, transcript: Transcript) -> Transcript:
        """Keep it unless another process was faster; returns what is kept."""
        with self._opened() as connection:
            connection.execute(ADD, (*key, transcript.text, transcript.language))
            return Transcript(*connection.execute(FIND, key).fetchone())

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        # Without an isolation level, every statement is a transaction of its own.
        try:
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            with closing(connection):
                connection.execute(TABLE)
                yield connection
        except sqlite3.OperationalError as error:
            raise InputError(
                f"transcripts cannot be kept in {self.path} ({error}): check the folder and "
                "the space and access that you have there, or name another folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}, where transcripts are kept, is damaged ({error}): delete it, "
                "and what it held is recognised anew"
            ) from error


_memory: dict[Key, Transcript] = {}


@dataclass(frozen=True)
class Remembering(Recogniser):
    """A recogniser that does not listen twice to the same audio in the same language."""

    recogniser: Recogniser
    path: Path | None = None  # of a TranscriptStore; None: remembered in this process only

    @property
    def name(self) -> str:
        return self.recogniser.name

    @property
    def identity(self) -> str:
        return self.recogniser.identity

    def load(self) -> None:
        self.recogniser.load()

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        digest = hashlib.sha256(as_samples(audio).data).hexdigest()
        key = Key(digest, self.identity, language or "")
        kept = _memory if self.path is None else TranscriptStore(self.path)
        known = kept.get(key)
        if known is None:
            known = kept.setdefault(key, self.recogniser.transcribe(audio, language))
        return known
