"""Speech recognisers: 16 kHz audio → what a listener of the file would write down.

Knows nothing of files, enhancers or word error rates. A model is loaded at its first use.
"""

from __future__ import annotations

from unhear.recognise import moonshine, speechbrain, sphinx, whisper
from unhear.recognise.base import SAMPLE_RATE, SHORTEST, Recogniser, Transcript
from unhear.recognise.store import Remembering, TranscriptStore

__all__ = [
    "SAMPLE_RATE",
    "SHORTEST",
    "Recogniser",
    "Remembering",
    "Transcript",
    "TranscriptStore",
    "load_recogniser",
]


def load_recogniser(model: str = "base", language: str | None = None) -> Recogniser:
    """A recogniser that remembers, while the process lasts, what it has heard.

    ``model`` is one of

    - "base": Whisper base, fetched on first use;
    - a local folder with a CTranslate2 Whisper model, or a name that faster-whisper resolves
      itself: a size such as "small", or "owner/name" on its model hub;
    - "moonshine", for English: Moonshine base, fetched on first use;
    - "pocketsphinx", for English;
    - "speechbrain:ORG/MODEL", from the hub or a local folder.

    The model is loaded at the first recording. Raises InputError when it can be seen at once
    that there is no such model, or that the package which runs it is missing.
    """
    if model == moonshine.NAME:
        return Remembering(moonshine.load(language))
    if model == sphinx.NAME:
        return Remembering(sphinx.load(language))
    if model.startswith(speechbrain.PREFIX):
        return Remembering(speechbrain.load(model, language))
    return Remembering(whisper.load(model, language))
