"""Speech recognisers: 16 kHz audio → what a listener of the file would write down.

Models and transcripts are kept in this process: a model is loaded at its first use and then
shared, and a transcript is remembered by the content of its audio, for recognition often
costs more than the attack. Knows nothing of files, enhancers or word error rates.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from unhear import weights
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz
SHORTEST = SAMPLE_RATE // 10  # samples; 0.1 s: on less, Whisper only invents text


@runtime_checkable
class Segment(Protocol):
    """What faster-whisper yields."""

    text: str


@runtime_checkable
class Info(Protocol):
    """What faster-whisper found out about the whole recording."""

    language: str


@runtime_checkable
class Engine(Protocol):
    """The part of ``faster_whisper.WhisperModel`` that is used."""

    @property
    def supported_languages(self) -> list[str]: ...

    def transcribe(
        self,
        audio: Float[np.ndarray, " time"],
        *,
        language: str | None,
        beam_size: int,
        temperature: float,
        condition_on_previous_text: bool,
        vad_filter: bool,
    ) -> tuple[Iterable[Segment], Info]: ...


@dataclass(frozen=True)
class Transcript:
    """What was recognised; ``language`` is "" when nothing was there to tell it from."""

    text: str
    language: str


@dataclass(frozen=True)
class Recogniser:
    """A recogniser by name: cheap to make, to compare and to send to another process."""

    model: str
    language: str | None = None  # None: detected from each recording

    def load(self) -> None:
        """Load the model now, and fetch it if need be, rather than at the first recording.

        Raises InputError or FailureError when it cannot be had.
        """
        _engine(self.model)

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        """The words in mono audio at 16 kHz; the same audio always gives the same words.

        ``language`` (a code such as "en") overrides that of the recogniser. Audio that is
        all zeros or shorter than 0.1 s has the empty text, and no model is loaded for it.
        Raises InputError for NaN or infinite samples, an unknown language or model.
        """
        language = language or self.language
        samples = np.ascontiguousarray(audio, dtype=np.float32)
        if samples.size < SHORTEST or not samples.any():
            return Transcript("", language or "")
        if not np.isfinite(samples).all():
            raise InputError("the audio has NaN or infinite samples and cannot be recognised")
        key = (
            hashlib.sha1(samples.data, usedforsecurity=False).hexdigest(),
            language,
            self.model,
        )
        if key not in _transcripts:
            _transcripts[key] = _recognise(_engine(self.model), samples, language)
        return _transcripts[key]


_transcripts: dict[tuple[str, str | None, str], Transcript] = {}


def load_recogniser(model: str = "base", language: str | None = None) -> Recogniser:
    """Whisper, by faster-whisper, on the CPU in 8-bit integers.

    ``model`` is "base" (fetched by :func:`unhear.weights.whisper_base`), a local folder with
    a CTranslate2 Whisper model, or a name that faster-whisper resolves itself: a size such as
    "small", or "owner/name" on its model hub. The model is loaded at the first recording.
    Raises InputError when it can be seen at once that there is no such model.
    """
    if model == "base":
        return Recogniser(model, language)
    if Path(model).is_dir():
        _require_model(Path(model))
        return Recogniser(str(Path(model).resolve()), language)
    _require_known(model)
    return Recogniser(model, language)


def _require_model(folder: Path) -> None:
    if not (folder / "model.bin").is_file():
        raise InputError(
            f"{folder} has no model.bin: give the folder of a Whisper model converted for "
            "CTranslate2"
        )


def _require_known(model: str) -> None:
    from faster_whisper import available_models

    if model.count("/") != 1 and model not in available_models():
        raise InputError(
            f"there is no recogniser {model}: give base, a folder with a CTranslate2 Whisper "
            f"model, or one of {', '.join(available_models())}"
        )


@cache
def _engine(model: str) -> Engine:
    """The loaded model, one in each process for each name."""
    from faster_whisper import WhisperModel

    place = str(weights.whisper_base()) if model == "base" else model
    try:
        engine = WhisperModel(
            place, device="cpu", compute_type="int8", local_files_only=weights.offline()
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the recogniser {model} cannot be loaded: {reason}; give base or the folder of a "
            "CTranslate2 Whisper model"
        ) from error
    return cast("Engine", engine)


def _recognise(
    engine: Engine, audio: Float[np.ndarray, " time"], language: str | None
) -> Transcript:
    if language is not None and language not in engine.supported_languages:
        known = ", ".join(engine.supported_languages)
        raise InputError(f"the recogniser knows no language {language}: give one of {known}")
    # One temperature of zero means beam search alone: no sampling, so nothing random.
    segments, info = engine.transcribe(
        audio,
        language=language,
        beam_size=5,
        temperature=0.0,
        condition_on_previous_text=False,
        vad_filter=False,
    )
    return Transcript("".join(segment.text for segment in segments).strip(), info.language)
