"""Transcripts on disk: nothing is lost, mixed up or recognised twice."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unhear.errors import InputError
from unhear.recognise import Recogniser, Remembering, Transcript, TranscriptStore
from unhear.recognise.store import Key

NOISE = np.random.default_rng(0).normal(size=3_000).astype(np.float32) * 0.05
KEY = Key("a" * 64, "whisper base", "en")
WORDS = Transcript("über\nall “words”", "de")

# Keeps transcripts, and says so of each.
WRITE = """
import sys
from itertools import count
from pathlib import Path
from unhear.recognise import Transcript, TranscriptStore
from unhear.recognise.store import Key
store, writer, limit = TranscriptStore(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in count():
    if number == limit:
        break
    store.setdefault(Key(str(number), "fake", ""), Transcript(f"{writer} {number}", "en"))
    store.setdefault(Key(str(number), writer, ""), Transcript("own", "en"))
    print(number, flush=True)
"""


@dataclass(frozen=True)
class Listener(Recogniser):
    """Counts how often it listens."""

    model: str = "fake"
    calls: list[int] = field(default_factory=list, compare=False)

    @property
    def name(self) -> str:
        return self.model

    @property
    def identity(self) -> str:
        return f"{self.model} 1.0"

    def load(self) -> None:
        raise InputError("there is nothing to load")

    def transcribe(self, audio: np.ndarray, language: str | None = None) -> Transcript:
        self.calls.append(audio.size)
        return Transcript(f"{audio.size} by {self.model}", language or "de")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcripts.sqlite"


def writer(path: Path, name: str, limit: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE, str(path), name, str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_was_kept_is_found_and_never_replaced(path: Path):
    store = TranscriptStore(path)
    assert store.get(KEY) is None
    assert store.setdefault(KEY, WORDS) == WORDS
    assert store.setdefault(KEY, Transcript("too late", "en")) == WORDS
    assert TranscriptStore(path).get(KEY) == WORDS


@pytest.mark.parametrize("field", KEY._fields)
def test_another_audio_recogniser_or_language_is_another_transcript(path: Path, field: str):
    TranscriptStore(path).setdefault(KEY, WORDS)
    assert TranscriptStore(path).get(KEY._replace(**{field: "other"})) is None


def test_the_same_content_is_found_again_in_the_file(path: Path):
    listener = Listener()
    heard = Remembering(listener, path).transcribe(NOISE)
    again = pickle.loads(pickle.dumps(Remembering(listener, path)))
    assert again.transcribe(NOISE.astype(np.float64)) == heard
    assert again.transcribe(np.repeat(NOISE, 2)[::2]) == heard
    assert (listener.calls, again.recogniser.calls) == ([3_000], [3_000])


def test_other_content_language_model_or_file_is_recognised_anew(path: Path):
    listener = Listener()
    remembering = Remembering(listener, path)
    texts = [
        remembering.transcribe(NOISE),
        remembering.transcribe(NOISE, "en"),
        remembering.transcribe(-NOISE),
        remembering.transcribe(NOISE[:-1]),
        Remembering(Listener("other", listener.calls), path).transcribe(NOISE),
        Remembering(listener, path.with_name("other")).transcribe(NOISE),
    ]
    assert len(listener.calls) == 6
    assert [remembering.transcribe(NOISE), remembering.transcribe(NOISE, "en")] == texts[:2]
    assert [text.language for text in texts[:2]] == ["de", "en"]
    assert texts[4].text == "3000 by other"
    assert len(listener.calls) == 6


def test_a_process_remembers_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("unhear.recognise.store._memory", {})
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    assert Remembering(listener).transcribe(NOISE) == Remembering(listener).transcribe(NOISE)
    assert len(listener.calls) == 1
    assert not [*tmp_path.iterdir()]


def test_loading_is_left_to_the_recogniser(path: Path):
    with pytest.raises(InputError, match="nothing to load"):
        Remembering(Listener(), path).load()


def test_processes_that_write_at_once_lose_nothing(path: Path):
    writers = [writer(path, name, 20) for name in ("first", "second")]
    outputs = [process.communicate()[0].split() for process in writers]
    assert [process.returncode for process in writers] == [0, 0]
    assert outputs == [[str(number) for number in range(20)]] * 2
    store = TranscriptStore(path)
    for number in range(20):
        shared = store.get(Key(str(number), "fake", ""))
        assert shared
        assert shared.text in {f"first {number}", f"second {number}"}
        for name in ("first", "second"):
            assert store.get(Key(str(number), name, "")) == Transcript("own", "en")


def test_what_was_kept_outlives_a_killed_process(path: Path):
    process = writer(path, "doomed", -1)
    assert process.stdout
    last = [int(process.stdout.readline()) for _ in range(10)][-1]
    process.kill()
    last = max([last, *map(int, process.communicate()[0].split())])
    store = TranscriptStore(path)
    for number in range(last + 1):
        assert store.get(Key(str(number), "doomed", "")) == Transcript("own", "en")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert store.setdefault(KEY, WORDS) == WORDS


def test_a_journal_that_was_left_behind_is_rolled_back(path: Path):
    """Killed between changing the file and ending the transaction."""
    store = TranscriptStore(path)
    store.setdefault(KEY, WORDS)
    killed = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
for number in range(2000):
    row = (number, "x", "x", "x" * 99, "x")
    connection.execute("INSERT INTO transcripts VALUES (?, ?, ?, ?, ?)", row)
connection.execute("UPDATE transcripts SET text = 'half done'")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert path.with_name(f"{path.name}-journal").stat().st_size
    assert b"half done" in path.read_bytes()
    assert store.get(KEY) == WORDS
    assert store.get(Key("0", "x", "x")) is None


@pytest.mark.parametrize(
    "damage", [b"not a database, but as long as a header would be" * 20, None]
)
def test_a_damaged_file_is_one_sentence(path: Path, damage: bytes | None):
    store = TranscriptStore(path)
    store.setdefault(KEY, WORDS)
    path.write_bytes(damage or path.read_bytes()[:4096])  # a page of two
    use: list[Any] = [lambda: store.get(KEY), lambda: store.setdefault(KEY, WORDS)]
    for call in use:
        with pytest.raises(
            InputError, match=r"\.sqlite, .* is damaged .*: delete it"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    for place in (tmp_path / "no" / "such" / "folder", tmp_path):
        with pytest.raises(InputError, match=f"cannot be kept in {place} .*another folder"):
            TranscriptStore(place).get(KEY)
