"""PocketSphinx, for American English: much weaker than Whisper, but with its models inside its
wheel of 29 MB.

https://github.com/cmusphinx/pocketsphinx. A hidden Markov model with a trigram language model,
decoded as one utterance with the settings that it comes with. Nothing in it is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from unhear.errors import InputError
from unhear.recognise.base import Recogniser, Transcript, recognised, require_english, version

if TYPE_CHECKING:
    from jaxtyping import Float, Float32

NAME = "pocketsphinx"
FULL_SCALE = 2**15  # 16-bit PCM, the only samples that it takes


@dataclass(frozen=True)
class Sphinx(Recogniser):
    """The models ``en-us``."""

    @property
    def name(self) -> str:
        return f"{NAME} en-us"

    @property
    def identity(self) -> str:
        return f"{self.name}, {version(NAME)}"

    def load(self) -> None:
        _decoder()

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        require_english(NAME, language)
        return recognised(audio, "en", _listen)


def load(language: str | None) -> Sphinx:
    """Raises InputError for a language other than English, or when the package is missing."""
    if find_spec(NAME) is None:
        raise InputError(f"{NAME} is missing: install it with pip install 'unhear[sphinx]'")
    require_english(NAME, language)
    return Sphinx()


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def _listen(samples: Float32[np.ndarray, " time"], language: str | None) -> Transcript:
    pcm = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    decoder = _decoder()
    decoder.reinit_feat()  # or else its estimate of the noise comes from what it heard before
    decoder.start_utt()
    decoder.process_raw(pcm.astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()  # None: no words
    return Transcript(found.hypstr if found else "", language or "")
