"""A transcript and what it is compared with → which words are missing and which were added.

Words are shown as they were written and compared without case and punctuation. The alignment
is that of word error rates: the fewest edits. Knows no language: whoever wants numerals or
contractions to count as equal gives normalised texts.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Run = tuple[Literal["same", "missing", "added"], str]


@dataclass(frozen=True)
class Transcripts:
    """What was recognised in several sounds, against one reference."""

    reference_title: str  # such as "what was said"
    reference: str
    heard: list[tuple[str, str]]  # of which sound, and the text


def marked(reference: str, heard: str) -> list[Run]:
    """Runs of words in reading order; of a replaced run first what is missing, then the new.

    Signs without a letter or digit, such as a dash between spaces, are no words and left out.
    """
    from jiwer import process_words

    said, found = _words(reference), _words(heard)
    output = process_words(" ".join(map(_key, said)), " ".join(map(_key, found)))
    runs: list[Run] = []
    for equal, chunks in groupby(output.alignments[0], lambda chunk: chunk.type == "equal"):
        parts = list(chunks)
        first, last = parts[0], parts[-1]
        gone = " ".join(said[first.ref_start_idx : last.ref_end_idx])
        new = " ".join(found[first.hyp_start_idx : last.hyp_end_idx])
        if gone and not equal:
            runs.append(("missing", gone))
        if new:
            runs.append(("same" if equal else "added", new))
    return runs


def _words(text: str) -> list[str]:
    return [word for word in text.split() if _key(word)]


def _key(word: str) -> str:
    """Its letters, with their marks (the vowels of Hindi), and digits."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(sign for sign in folded if unicodedata.category(sign)[0] in "LMN")
