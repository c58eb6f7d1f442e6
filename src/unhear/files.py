"""One file protected: read, protect, write, read back, measure."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from unhear import metrics
from unhear.audio import Recording, writing
from unhear.enhancers.digest import state_digest
from unhear.errors import FailureError, UnhearError
from unhear.evaluation.judge import Figures, Signals, Transcripts, hear, measure, transcribe
from unhear.generators import about_generators
from unhear.kept import DIGITS, Kept, KeptBeside, alone_at, remove_leftovers
from unhear.method import method_of
from unhear.passages import drawn
from unhear.sources import BLOCK, AudioFile, Source, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from jaxtyping import Float

    from unhear.channels import Passage, Survivable
    from unhear.protect import Protector
    from unhear.recognise import Recogniser

SHORTEST_SECONDS = 0.1
KEPT_SECONDS = 60  # of a shorter recording nothing is kept: there is one batch, or a few
LONGEST_JUDGED_SECONDS = 120  # in one piece
EXCERPT_SECONDS = 60.0  # of what is longer
HARDLY = 50  # % of the words lost: whoever protects a recording wants nearly all


@dataclass(frozen=True)
class Hearing:
    """What one enhancer makes of the file as re-read, or of what a channel left of it."""

    enhancer: str
    spared: bool
    through: str | None  # the channel
    figures: Figures
    transcripts: Transcripts | None

    @property
    def words_lost(self) -> float:
        """In per cent, of an enhancer to defeat; NaN where nobody has read it."""
        return nan if self.spared or not self.transcripts else self.transcripts.words_lost


@dataclass(frozen=True)
class Result:
    """What is known of one protected file."""

    source: Path
    output: Path
    seconds: float  # of the whole file
    signals: Signals  # of the first of the hearings
    hearings: list[Hearing]  # the first: of the first enhancer to defeat, of the file itself
    notes: list[str]
    attack_seconds: float  # of this call, where an earlier one was stopped


def protect_file(
    source: Path,
    output: Path,
    protector: Protector,
    recogniser: Recogniser | None,
    progress: Callable[[int, int], None],
) -> Result:
    """Protect ``source`` into ``output`` and measure what was written.

    A file of any length takes bounded memory. What was computed of a long one is kept beside
    the output until that is written: the same call goes on where one was stopped.
    Raises InputError when either file cannot be used, FailureError when computing fails.
    """
    with (
        open_source(source) as recording,
        _kept(recording, source, output, protector) as kept,
    ):
        began = time.perf_counter()
        parts = _computed(protector.parts(recording, progress, kept), source)
        _write(parts, recording, output)
        took = time.perf_counter() - began
        try:
            with _written(output), open_source(output) as written:
                place = _judged_part(recording, protector)
                noisy, protected = (_recording(each, place) for each in (recording, written))
                signals, hearings = _heard(noisy, protected, protector, recogniser)
                snr_db, peak = _added(recording, written)
        finally:  # a worker that is killed while it measures finds it when it tries again
            kept.drop()
    found = [*notes(recording, changed=peak > 0), *_excerpted(recording, place)]
    of_all = [_with_level(each, snr_db, peak) for each in hearings]
    found += [_weak(each) for each in of_all if each.words_lost < HARDLY]
    return Result(source, output, recording.seconds, signals, of_all, found, took)


def _computed(
    parts: Iterator[Float[np.ndarray, "channels time"]], source: Path
) -> Iterator[Float[np.ndarray, "channels time"]]:
    """Raise FailureError for an OSError here, which is none of the disk that is written to."""
    try:
        yield from parts
    except OSError as error:
        raise FailureError(f"{source} could not be protected: {error}") from error


def _write(
    parts: Iterator[Float[np.ndarray, "channels time"]], recording: Source, output: Path
) -> None:
    """Nothing is begun before there is something to write."""
    first = next(parts)
    form = (recording.sample_rate, len(first), recording.subtype)
    with writing(output, *form) as append:
        append(first)
        for part in parts:
            append(part)


@contextmanager
def _written(output: Path) -> Generator[None]:
    """Say so, where something is wrong with what comes after it."""
    try:
        yield
    except UnhearError as error:
        raise type(error)(f"{output} is written, but was not measured: {error}") from error


@contextmanager
def _kept(source: Source, path: Path, output: Path, protector: Protector) -> Generator[Kept]:
    """Nothing of short recordings, nor where nobody knows all that decides a perturbation.

    What takes minutes is not to be done twice at once: of a long one, nobody else is at work.
    """
    if source.seconds <= KEPT_SECONDS:
        yield Kept()
        return
    with alone_at(output):
        identity = _identity(path, protector)
        remove_leftovers(output, identity or "")
        yield KeptBeside(output, identity) if identity else Kept()


def _identity(path: Path, protector: Protector) -> str | None:
    """Of all that decides a perturbation, if that is known."""
    against, spare = (
        [state_digest(each) for each in role] for role in (protector.against, protector.spare)
    )
    if "" in (*against, *spare):
        return None
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    settings = (
        method_of(protector.attack, protector.target.kind, protector.budget, chunks=True),
        protector.attack,
        protector.budget,
        protector.target.kind,
        protector.target.seed,
        _described(protector.target.spoken),
        [channel.name for channel in protector.survive],
        *about_generators(
            protector.attack, [each.card.name for each in protector.against]
        ).values(),
    )
    decided = repr((content, settings, against, spare))
    return hashlib.sha256(decided.encode()).hexdigest()[:DIGITS]


def _described(spoken: Recording | None) -> tuple[int, str] | None:
    if spoken is None:
        return None
    return spoken.sample_rate, hashlib.sha256(spoken.samples.tobytes()).hexdigest()


# Measuring


def _judged_part(recording: AudioFile, protector: Protector) -> tuple[int, int]:
    """Of what is too long to be enhanced and recognised in one piece, the loudest part, which
    the enhancers cut into the same windows as the whole.
    """
    if recording.seconds <= LONGEST_JUDGED_SECONDS:
        return 0, recording.samples
    return recording.loudest(EXCERPT_SECONDS, protector.grid(recording.sample_rate))


def _recording(source: Source, place: tuple[int, int]) -> Recording:
    return Recording(source.part(*place), source.sample_rate, source.subtype)


def _added(recording: Source, written: Source) -> tuple[float, float]:
    """SNR (dB) and peak of what was added, over the whole file and all channels together."""
    energies, sums, peak = np.zeros(2), np.zeros(len(recording.sounding)), 0.0
    for start in range(0, recording.samples, BLOCK):
        place = (start, min(start + BLOCK, recording.samples))
        noisy = recording.part(*place)
        added = written.part(*place) - noisy
        energies += [np.square(noisy).sum(), np.square(added).sum()]
        sums += noisy.sum(1)
        peak = max(peak, metrics.peak(added.ravel()))
    energies[0] -= np.square(sums).sum() / recording.samples  # an offset is not heard
    signal, perturbation = np.sqrt(energies.clip(0))[:, None]
    return metrics.snr_db(signal, perturbation), peak


def _with_level(hearing: Hearing, snr_db: float, peak: float) -> Hearing:
    return replace(hearing, figures=replace(hearing.figures, snr_db=snr_db, peak=peak))


def _heard(
    noisy: Recording, protected: Recording, protector: Protector, recogniser: Recogniser | None
) -> tuple[Signals, list[Hearing]]:
    """By every enhancer, of the files themselves and of what each channel leaves of them.

    Of the signals only the first are kept: a long recording has many.
    """
    passages: list[tuple[str | None, Passage | None]] = [
        (None, None),
        *((channel.name, _unseen(channel, noisy)) for channel in protector.survive),
    ]
    kept: list[Signals] = []
    hearings: list[Hearing] = []
    for through, passage in passages:
        for enhancer in (*protector.against, *protector.spare):
            signals = hear(noisy, protected, enhancer, passage)
            kept = kept or [signals]
            who = (enhancer.card.name, enhancer in protector.spare, through)
            hearings.append(Hearing(*who, *_judged(signals, recogniser, hearings)))
    return kept[0], hearings


def _unseen(channel: Survivable, noisy: Recording) -> Passage:
    """A draw of its own for each recording, and none that follows from the seed of the attack.

    No seed that a user cannot give would do: of any, torch's generator keeps 32 bits.
    """
    about = hashlib.sha256(channel.name.encode() + noisy.samples.tobytes()).digest()
    return drawn(channel, noisy.sample_rate, int.from_bytes(about[:4]))


def _judged(
    signals: Signals, recogniser: Recogniser | None, others: list[Hearing]
) -> tuple[Figures, Transcripts | None]:
    """What the files themselves are like is taken from the first who heard them."""
    first = others[0] if others else None
    figures = measure(signals, vars(first.figures) if first else None)
    if recogniser is None:
        return figures, None
    return figures, transcribe(signals, recogniser, known=first.transcripts if first else None)


def notes(recording: AudioFile, *, changed: bool) -> list[str]:
    """What the user should know of an unusual recording."""
    found: list[str] = []
    if not recording.peak:
        found.append("the recording is silent: there was nothing to protect, it is unchanged")
    elif recording.seconds < SHORTEST_SECONDS:
        found.append(f"{recording.seconds * 1000:.0f} ms is too short for a word")
    if recording.sounding.any() and not changed:
        found.append(
            "nothing was added, so it is NOT protected: the budget is below what the sample "
            "format can hold"
        )
    if recording.peak > 1:
        kept = recording.subtype in {"FLOAT", "DOUBLE"}
        done = "kept, for the file holds floats" if kept else "clipped, as the file must"
        found.append(f"samples beyond full scale were {done}")
    return found


def _weak(hearing: Hearing) -> str:
    who = hearing.enhancer + (f" after {hearing.through}" if hearing.through else "")
    return (
        f"hardly protected: with {who} {100 - hearing.words_lost:.0f} % of the words are still "
        "recognised; give the attack more steps, if it has them, or a larger budget"
    )


def _excerpted(recording: Source, place: tuple[int, int]) -> list[str]:
    """Which part was listened to, if it is not all."""
    if place == (0, recording.samples):
        return []
    start, stop = (round(each / recording.sample_rate) for each in place)
    where = f"{stop - start} s from {start // 60}:{start % 60:02} on, where it is loudest"
    return [f"SNR and peak of what was added are of the whole file, all else is of {where}"]
