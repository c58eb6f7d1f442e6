"""Recognisers of SpeechBrain, such as the paper's, speechbrain/asr-crdnn-rnnlm-librispeech.

https://speechbrain.readthedocs.io, ``speechbrain.inference.ASR``. A model is a folder or
repository with a ``hyperparams.yaml``, which can run any code, and SpeechBrain has no safe way
to load one: give only models whose authors you trust.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unhear.errors import InputError
from unhear.recognise.base import (
    DIGITS,
    SAMPLE_RATE,
    Recogniser,
    Transcript,
    recognised,
    version,
)

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Float32

PREFIX = "speechbrain:"
INTERFACES = ("EncoderDecoderASR", "EncoderASR")


@dataclass(frozen=True)
class SpeechBrain(Recogniser):
    """A model of the hub, or of a local folder."""

    source: str  # ORG/MODEL, or the folder
    language: str | None = None  # only handed on: a model does not say which one it knows

    @property
    def name(self) -> str:
        return f"speechbrain {self.source}"

    @property
    def identity(self) -> str:
        content = [_digest(self.source)] if Path(self.source).is_dir() else []
        parts = [self.name, *content, str(self.language), version("speechbrain")]
        return ", ".join(parts)

    def load(self) -> None:
        _model(self.source)

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        return recognised(audio, language or self.language, partial(_listen, self.source))


def load(name: str, language: str | None) -> SpeechBrain:
    """The recogniser ``speechbrain:ORG/MODEL`` of the hub, or of a local folder.

    Raises InputError when SpeechBrain is missing or the name cannot be one.
    """
    source = name.removeprefix(PREFIX)
    if Path(source).is_dir():
        source = str(Path(source).resolve())
    elif source.count("/") != 1:
        raise InputError(f"{name} is not of the form {PREFIX}ORG/MODEL: name both")
    if find_spec("speechbrain") is None:
        raise InputError(
            f"{name} needs SpeechBrain, which is missing: pip install speechbrain, or give "
            "base, moonshine or pocketsphinx"
        )
    if find_spec("jiwer") is None or find_spec("whisper_normalizer") is None:
        raise InputError(
            f"{name} needs what compares words, which is missing: pip install "
            "'unhear[transcribe]'"
        )
    return SpeechBrain(source, language)


@cache
def _digest(folder: str) -> str:
    """Of all that is in a folder, for a model there may be trained further."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:DIGITS]


@cache
def _model(source: str) -> Any:
    """The loaded model, one in each process for each name."""
    from unhear.external.adapter import said
    from unhear.external.speechbrain import from_hparams, interface_of

    kind = interface_of(f"{PREFIX}{source}", source, INTERFACES)
    try:
        with warnings.catch_warnings(action="ignore"):  # of its own dependencies
            module = import_module("speechbrain.inference.ASR")
            model = from_hparams(getattr(module, kind), source)
    except Exception as error:
        raise InputError(f"SpeechBrain cannot load {source}: {said(error)}") from error
    rate = vars(model.hparams).get("sample_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise InputError(
            f"{PREFIX}{source} is for {rate} Hz: give a model for {SAMPLE_RATE} Hz"
        )
    return model


def _listen(
    source: str, samples: Float32[np.ndarray, " time"], language: str | None
) -> Transcript:
    import torch

    from unhear.external.adapter import said

    model = _model(source)
    try:  # the second argument: relative lengths
        texts, _ = model.transcribe_batch(torch.tensor(samples)[None], torch.ones(1))
    except Exception as error:
        raise InputError(
            f"{PREFIX}{source} cannot recognise {samples.size:,} samples: {said(error)}"
        ) from error
    return Transcript(texts[0].strip(), language or "")
