"""LibriSpeech: SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac beside a ``.trans.txt``.

Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP
2015; https://www.openslr.org/12.
"""

from __future__ import annotations

from pathlib import Path

from unhear.datasets.utterance import Utterance, existing, read_text

IN_SUBSET = "*/*/*.trans.txt"
IN_WHOLE = "*/*/*/*.trans.txt"


def matches(source: Path) -> bool:
    """Whether ``source`` is LibriSpeech itself or one of its subsets, such as test-other."""
    return any(any(source.glob(pattern)) for pattern in (IN_SUBSET, IN_WHOLE))


def read_speech(source: Path, split: str) -> list[Utterance]:
    """The utterances of a subset, or of the subsets whose name begins with the split.

    A subset that is named itself is read whatever the split.
    Raises InputError when a recording that a transcript names is missing.
    """
    texts = sorted(source.glob(IN_SUBSET)) or sorted(source.glob(f"{split}{IN_WHOLE}"))
    return [utterance for text in texts for utterance in _chapter(text)]


def _chapter(text: Path) -> list[Utterance]:
    """One chapter; a line is SPEAKER-CHAPTER-NUMBER, a space and what is said."""
    lines = [line.partition(" ") for line in read_text(text).split("\n") if line.strip()]
    return [
        Utterance(
            name,
            existing(text.with_name(f"{name}.flac"), text),
            name.split("-")[0],
            words.strip(),
        )
        for name, _, words in lines
    ]
