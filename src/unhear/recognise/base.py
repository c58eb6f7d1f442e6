"""What a recogniser is, and what all of them do with audio before they listen to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Float32

SAMPLE_RATE = 16_000  # Hz
DIGITS = 8  # of the digest of a model in a folder
SHORTEST = SAMPLE_RATE // 10  # samples; 0.1 s: on less, Whisper only invents text


@dataclass(frozen=True)
class Transcript:
    """What was recognised; ``language`` is "" when nothing was there to tell it from."""

    text: str
    language: str


class Recogniser(ABC):
    """Audio to words. Implementations are frozen dataclasses of names and settings: cheap to
    make, to compare and to send to another process. Each process loads a model once.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Engine and model, as reports call it, such as "whisper base"."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """All that its words depend on besides the audio and the language of a call: the name,
        versions, settings. Transcripts are kept under it.
        """

    @abstractmethod
    def load(self) -> None:
        """Load the model now, and fetch it if need be, rather than at the first recording.

        Raises InputError or FailureError when it cannot be had.
        """

    @abstractmethod
    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        """The words in mono audio at 16 kHz.

        ``language`` (a code such as "en") overrides that of the recogniser. Audio that is
        all zeros or shorter than 0.1 s has the empty text, and no model is loaded for it.
        Raises InputError for NaN or infinite samples, an unknown language or model.
        """


def as_samples(audio: Float[np.ndarray, " time"]) -> Float32[np.ndarray, " time"]:
    """Audio as recognisers hear it: what is equal here has the same words."""
    return np.ascontiguousarray(audio, dtype=np.float32)


def recognised(
    audio: Float[np.ndarray, " time"],
    language: str | None,
    listen: Callable[[Float32[np.ndarray, " time"], str | None], Transcript],
) -> Transcript:
    """What ``listen`` writes down, which is only given audio that can hold words.

    Raises InputError for NaN or infinite samples.
    """
    samples = as_samples(audio)
    if samples.size < SHORTEST or not samples.any():
        return Transcript("", language or "")
    if not np.isfinite(samples).all():
        raise InputError("the audio has NaN or infinite samples and cannot be recognised")
    return listen(samples, language)


def require_english(name: str, language: str | None) -> None:
    """Raise InputError, for a recogniser of that name, where another language is asked for."""
    if language not in {None, "en"}:
        raise InputError(
            f"{name} knows no language {language}: give en, or a Whisper model such as base"
        )


@cache
def version(package: str) -> str:
    """A package with its installed version, such as "ctranslate2 4.8.5"."""
    return f"{package} {metadata.version(package)}"
