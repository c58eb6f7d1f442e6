"""One recording, protected in one way and given to its listeners → rows.

Everything in a row follows from what the row is about, so that it comes out the same however
often a run was interrupted. How long it took does not, and is kept apart.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from unhear import audio
from unhear.audio import downmixed
from unhear.channels import find_channel, is_coded
from unhear.chunks import are_needed
from unhear.datasets.mixture import SAMPLE_RATE, seconds_of
from unhear.datasets.utterance import as_text
from unhear.dnsmos import dnsmos
from unhear.enhancers import load_enhancer
from unhear.enhancers.digest import DIGITS, digest_of, weights_digest
from unhear.evaluation.judge import LISTENING_RATE, hear, measure, of_files, transcribe
from unhear.evaluation.rows import Row, finite, identity
from unhear.generators import about_generators
from unhear.method import method_of
from unhear.passages import drawn
from unhear.protect import Protector
from unhear.recognise import Remembering, load_recogniser
from unhear.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from unhear.audio import Recording
    from unhear.datasets import Mixture, Utterance
    from unhear.enhancers.base import Enhancer
    from unhear.evaluation.judge import Signals
    from unhear.evaluation.plan import Listener, Protection
    from unhear.recognise import Recogniser

PROTECTED = "protected"  # folder of the protected recordings in that of the run
TRANSCRIPTS = "transcripts.sqlite"
OPINIONS = {  # figure → signal
    "dnsmos_noisy": "noisy",
    "dnsmos_protected": "protected",
    "dnsmos_enhanced": "enhanced_protected",
}


@dataclass(frozen=True)
class Listening:
    """What all tasks of a plan have in common."""

    folder: Path  # of the run
    recogniser: str
    language: str
    seed: int
    dnsmos: bool  # whether it is wanted and its network can be had
    loudness: bool = False  # whether loudness-normalised output is recognised, too
    raw: bool = True  # whether output is recognised as it comes, too
    device: str = "cpu"  # of the networks


@dataclass(frozen=True)
class Task:
    """A recording, what is done to it, and who listens."""

    mixture: Mixture
    protection: Protection
    spoken: Utterance | None  # what is to be heard instead, for the target "speech"
    listeners: tuple[Listener, ...]
    listening: Listening

    def about_recording(self) -> Row:
        """All that decides the noisy recording."""
        return {
            "clip": self.mixture.utterance.name,
            "clip_digest": _digest(self.mixture.utterance),
            "speaker": self.mixture.utterance.speaker,
            **_about_noise(self.mixture),
        }

    def about_protection(self) -> Row:
        """All that decides the protected recording."""
        spoken, way = self.spoken, self.protection
        chunks = _in_chunks(self.mixture.utterance.path)
        return {
            **self.about_recording(),
            **way.described(),
            "weights": ", ".join(map(weights_digest, way.against)),
            **about_generators(way.attack, way.against),
            **self._about_spared(),
            **_about_codecs(way.survive),
            "spoken": spoken.name if spoken else None,
            "spoken_digest": _digest(spoken) if spoken else None,
            "seed": self.listening.seed,
            **({} if self.listening.device == "cpu" else {"device": self.listening.device}),
            "unhear": method_of(way.attack, way.target, way.budget, chunks=chunks),
        }

    def _about_spared(self) -> Row:
        spared = ", ".join(map(weights_digest, self.protection.spare))
        return {"weights_spared": spared} if spared else {}

    def about(self, listener: Listener) -> Row:
        """All that decides a row."""
        return self.about_protection() | {
            "heard_by": listener.enhancer,
            "heard_by_weights": weights_digest(listener.enhancer),
            **({"through": listener.through} if listener.through else {}),
            **_about_codecs([listener.through]),
            "recogniser": self.recogniser.identity,
            "language": self.listening.language,
            "dnsmos": self.listening.dnsmos,
            **({"loudness": True} if self.listening.loudness else {}),
            **({} if self.listening.raw else {"raw": False}),
        }

    @property
    def recogniser(self) -> Recogniser:
        """The one that reads everything of this plan."""
        return load_recogniser(self.listening.recogniser, self.listening.language)

    @property
    def protected(self) -> str:
        """The protected recording, in the folder of the run."""
        return f"{PROTECTED}/{identity(self.about_protection())}.flac"

    @property
    def output(self) -> Path:
        """The same, from anywhere."""
        return self.listening.folder / self.protected


def _about_codecs(channels: Iterable[str | None]) -> Row:
    """The library's version, where its codecs are involved."""
    if any(name and is_coded(name) for name in channels):
        return {"codecs": f"PyAV {version('av')}"}
    return {}


def _about_noise(mixture: Mixture) -> Row:
    """What the speech is mixed with; nothing where it is taken as recorded."""
    if mixture.noise is None:
        own = mixture.utterance.noisy
        names = ("scene", "noise", "start", "snr_db")
        return dict.fromkeys(names) | {"noise_digest": digest_of(own) if own else None}
    return {
        "scene": mixture.noise.scene,
        "noise": as_text(mixture.noise.path.stem),
        "start": round(mixture.start, 6),
        "snr_db": mixture.snr_db,
        "noise_digest": digest_of(mixture.noise.path),
    }


@cache
def _in_chunks(path: Path) -> bool:
    """Of a mixture, which is as long as its speech."""
    return are_needed(round(seconds_of(path) * SAMPLE_RATE), SAMPLE_RATE)


def _digest(utterance: Utterance) -> str:
    """Of the recording and of what is said in it."""
    words = hashlib.sha256(utterance.transcript.encode()).hexdigest()
    return digest_of(utterance.path) + words[:DIGITS]


def protect(task: Task) -> Row | None:
    """Write the protected recording, unless it is there; returns how long that took.

    Raises InputError or FailureError when it cannot be done.
    """
    if task.output.exists():
        return None
    noisy, protector = _noisy(task.mixture), make_protector(task)
    began = time.perf_counter()
    protected = protector(noisy)
    took = time.perf_counter() - began
    audio.write(protected, task.output)
    about = task.about_protection()
    return {"about": about, "seconds": round(took, 3), "audio_seconds": round(noisy.seconds, 3)}


def make_protector(task: Task) -> Protector:
    """The protector of one task."""
    way = task.protection
    spoken = audio.read(task.spoken.path) if task.spoken else None
    return Protector(
        _enhancers(way.against, task.listening.device),
        Target(way.target, spoken, task.listening.seed),
        way.attack,
        way.budget,
        _enhancers(way.spare, task.listening.device),
        tuple(map(find_channel, way.survive)),
    )


def listen(task: Task, listener: Listener) -> Signals:
    """What one listener makes of the recording and of the protected file: the same at every
    call, with draws that the attack has not seen.
    """
    noisy, enhancer = _noisy(task.mixture), _enhancer(listener.enhancer, task.listening.device)
    enhancer.reseed(_seed(task.about(listener)))
    passage = None
    if listener.through:
        # The same for every protection of a recording, so that they can be compared.
        seed = _seed(task.about_recording() | {"through": listener.through})
        passage = drawn(find_channel(listener.through), noisy.sample_rate, seed)
    return hear(
        noisy, audio.read(task.output), enhancer, passage, loudness=task.listening.loudness
    )


def _seed(about: Row) -> int:
    return int(identity(about), 16) % 2**31


def judge(task: Task, listener: Listener) -> Row:
    """The row of one listener, of the protected file as it was written.

    Raises InputError or FailureError when it cannot be done.
    """
    signals = listen(task, listener)
    remembering = Remembering(task.recogniser, task.listening.folder / TRANSCRIPTS)
    wanted = task.listening
    found = transcribe(signals, remembering, wanted.language, raw=wanted.raw)
    return {
        "about": task.about(listener),
        "protection": task.protection.title,
        "protected": task.protected,
        "said": task.mixture.utterance.transcript,
        "to_be_said": task.spoken.transcript if task.spoken else None,
        "figures": finite(vars(measure(signals, _of_files(task))) | _opinions(task, signals)),
        "heard": found.texts,
    }


def _opinions(task: Task, signals: Signals) -> dict[str, float]:
    """DNSMOS of what people hear and of what the listener is left with."""
    if not task.listening.dnsmos:
        return dict.fromkeys(OPINIONS, nan)
    return {
        name: _overall(
            downmixed(getattr(signals, signal), LISTENING_RATE).astype(float).tobytes()
        )
        for name, signal in OPINIONS.items()
    }


@lru_cache(maxsize=8)
def _overall(samples: bytes) -> float:
    """Kept, since a second of it costs more than one of Whisper: the noisy recording comes
    again with every protection, the protected one with every listener.
    """
    return dnsmos(np.frombuffer(samples, float)).overall


@lru_cache(maxsize=2)
def _of_files(task: Task) -> dict[str, float]:
    """Kept for the listeners that come next."""
    return of_files(_noisy(task.mixture), audio.read(task.output))


@lru_cache(maxsize=2)
def _noisy(mixture: Mixture) -> Recording:
    """Kept for the listeners that come next."""
    return mixture.load()[1]


def _enhancers(names: Iterable[str], device: str) -> tuple[Enhancer, ...]:
    return tuple(_enhancer(name, device) for name in names)


@cache
def _enhancer(name: str, device: str) -> Enhancer:
    return load_enhancer(name, device=device)
