"""One file protected: read, protect, write, read back, measure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unhear.audio import as_stored, read, write
from unhear.evaluation.judge import Figures, Signals, Transcripts, hear, measure, transcribe
from unhear.passages import drawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unhear.audio import Recording
    from unhear.channels import Passage
    from unhear.protect import Protector
    from unhear.recognise import Recogniser

SHORTEST_SECONDS = 0.1
UNSEEN = 2**63  # seed of the draws that the attack has not seen: above all a user may give


@dataclass(frozen=True)
class Hearing:
    """What one enhancer makes of the file as re-read, or of what a channel left of it."""

    enhancer: str
    spared: bool
    through: str | None  # the channel
    figures: Figures
    transcripts: Transcripts | None


@dataclass(frozen=True)
class Result:
    """What is known of one protected file."""

    source: Path
    output: Path
    signals: Signals  # of the first of the hearings
    hearings: list[Hearing]  # the first: of the first enhancer to defeat, of the file itself
    notes: list[str]
    attack_seconds: float


def protect_file(
    source: Path,
    output: Path,
    protector: Protector,
    recogniser: Recogniser | None,
    progress: Callable[[int, int], None],
) -> Result:
    """Protect ``source`` into ``output`` and measure what was written.

    Raises InputError when either file cannot be used.
    """
    recording = read(source)
    began = time.perf_counter()
    write(protector(recording, progress), output)
    took = time.perf_counter() - began
    noisy, protected = as_it_would_be_written(recording), read(output)
    signals, hearings = _heard(noisy, protected, protector, recogniser)
    return Result(source, output, signals, hearings, notes(recording, protected), took)


def _heard(
    noisy: Recording, protected: Recording, protector: Protector, recogniser: Recogniser | None
) -> tuple[Signals, list[Hearing]]:
    """By every enhancer, of the files themselves and of what each channel leaves of them.

    Of the signals only the first are kept: a long recording has many.
    """
    passages: list[tuple[str | None, Passage | None]] = [(None, None)]
    for channel in protector.survive:
        unseen = drawn(channel, noisy.sample_rate, UNSEEN)
        passages.append((channel.name, unseen))
    kept: list[Signals] = []
    hearings: list[Hearing] = []
    for through, passage in passages:
        for enhancer in (*protector.against, *protector.spare):
            signals = hear(noisy, protected, enhancer, passage)
            kept = kept or [signals]
            who = (enhancer.card.name, enhancer in protector.spare, through)
            hearings.append(Hearing(*who, *_judged(signals, recogniser, hearings)))
    return kept[0], hearings


def _judged(
    signals: Signals, recogniser: Recogniser | None, others: list[Hearing]
) -> tuple[Figures, Transcripts | None]:
    """What the files themselves are like is taken from the first who heard them."""
    first = others[0] if others else None
    figures = measure(signals, first.figures if first else None)
    if recogniser is None:
        return figures, None
    return figures, transcribe(signals, recogniser, known=first.transcripts if first else None)


def as_it_would_be_written(recording: Recording) -> Recording:
    """The unprotected recording in the format of the protected one, to compare with."""
    return recording.with_samples(as_stored(recording.samples, recording.subtype))


def notes(recording: Recording, protected: Recording) -> list[str]:
    """What the user should know of an unusual recording."""
    found: list[str] = []
    if not recording.samples.any():
        found.append("the recording is silent: there was nothing to protect, it is unchanged")
    elif recording.seconds < SHORTEST_SECONDS:
        found.append(f"{recording.seconds * 1000:.0f} ms is too short for a word")
    stored = as_stored(recording.samples, recording.subtype)
    if stored.any() and np.array_equal(stored, protected.samples):
        found.append(
            "nothing was added, so it is NOT protected: the budget is below what the sample "
            "format can hold"
        )
    if np.max(np.abs(recording.samples)) > 1:
        kept = recording.subtype in {"FLOAT", "DOUBLE"}
        done = "kept, for the file holds floats" if kept else "clipped, as the file must"
        found.append(f"samples beyond full scale were {done}")
    return found
