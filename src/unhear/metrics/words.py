"""What is left of the words.

One function, :func:`word_errors`, serves every word error rate (WER); the reference makes it

- WER, and with it DE, against what was said;
- the WER of the abstract of arXiv 2206.08170, against the transcript of the enhanced original;
- targeted WER, against the sentence that the enhancer was meant to say.

Over a corpus, :func:`pooled_wer` or :func:`capped_wer` of the word errors of its clips.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WITHOUT_SPACES = {"zh", "yue", "ja", "th", "lo", "my", "km"}  # between words
POINTED = {"ar", "fa", "ur", "he", "yi"}  # whose vowels are marks that hardly anybody writes
LOOP_REPEATS = 4
LOOP_WORDS = 6
LOOP_LETTERS = 30  # where letters count as words
LOOP_SHARE = 1 / 3


@dataclass(frozen=True)
class WordErrors:
    """Word errors of one clip: substitutions, deletions and insertions, and the words said."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """WER in per cent, over 100 when much was invented; NaN when nothing was said."""
        return _percent(self.errors, self.words)

    @property
    def capped(self) -> float:
        """:attr:`rate`, but at most 100."""
        return _percent(min(self.errors, self.words), self.words)


def normalise_text(text: str, language: str = "en") -> str:
    """Text as Whisper's authors compare it: case, punctuation, spelling and numbers evened out.

    Radford et al., arXiv 2212.04356, appendix C. Languages other than English get only the
    evening out of case and punctuation; where no spaces are written between words, letters
    count as such. The vowel points of Arabic, Hebrew and the like are left out, and so is what
    their normaliser leaves of a sign without a word, such as the dot of "and then...".
    """
    words = _normaliser(language)(text).split()
    return " ".join(word for word in words if any(map(_is_of_a_word, word)))


def _is_of_a_word(sign: str) -> bool:
    """A letter, a digit, or a vowel that stands by itself, as in Burmese."""
    return sign.isalnum() or unicodedata.category(sign) == "Mc"


def word_errors(reference: str, hypothesis: str, language: str = "en") -> WordErrors:
    """Fewest word edits from what was said to what was recognised, on normalised texts."""
    from jiwer import process_words

    said, heard = (normalise_text(text, language) for text in (reference, hypothesis))
    if not said:
        return WordErrors(len(heard.split()), 0)
    found = process_words(said, heard)
    return WordErrors(
        found.substitutions + found.deletions + found.insertions, len(said.split())
    )


def pooled_wer(clips: Iterable[WordErrors]) -> float:
    """All errors over all words in per cent, uncapped; NaN when no word was said."""
    clips = list(clips)
    return _percent(sum(clip.errors for clip in clips), sum(clip.words for clip in clips))


def capped_wer(clips: Iterable[WordErrors]) -> float:
    """:func:`pooled_wer` with each clip's errors capped at its words: 0 to 100 per cent."""
    return pooled_wer(WordErrors(min(clip.errors, clip.words), clip.words) for clip in clips)


def de(before: float, after: float) -> float:
    """Deterioration of enhancement: WER after minus WER before, in percentage points."""
    return after - before


def is_empty(text: str, language: str = "en") -> bool:
    """Whether no word is left once the text is normalised, as of silence: WER exactly 100 %."""
    return not normalise_text(text, language)


def is_looping(text: str, language: str = "en") -> bool:
    """Whether a phrase of 1 to 6 words, or 30 letters, comes 4 times or more in a row.

    Such a stretch must make up a third of the text. Whisper does so on noise; people repeat
    words, too, so it is a hint and not a proof.
    """
    # Not after the English normaliser, which makes one number of four.
    words = (
        re.findall(r"\w+", text.lower())
        if language == "en"
        else normalise_text(text, language).split()
    )
    most = LOOP_LETTERS if language in WITHOUT_SPACES else LOOP_WORDS
    longest = max((_longest_loop(words, period) for period in range(1, most + 1)), default=0)
    return longest > 0 and longest >= LOOP_SHARE * len(words)


def empty_share(texts: Iterable[str], language: str = "en") -> float:
    """How many of the transcripts are empty (:func:`is_empty`), in per cent; NaN of none."""
    return _share([is_empty(text, language) for text in texts])


def looping_share(texts: Iterable[str], language: str = "en") -> float:
    """How many of the transcripts loop (:func:`is_looping`), in per cent; NaN of none."""
    return _share([is_looping(text, language) for text in texts])


def _longest_loop(words: list[str], period: int) -> int:
    """Words in the longest stretch that repeats with this period often enough, else 0."""
    longest = length = period
    for now, before in zip(words[period:], words, strict=False):
        length = length + 1 if now == before else period
        longest = max(longest, length)
    return longest if longest >= LOOP_REPEATS * period else 0


@cache
def _normaliser(language: str) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    if language == "en":
        return EnglishTextNormalizer()
    # Marks are vowels, in the scripts of India; by default they are taken out.
    basic = BasicTextNormalizer(preserve_marks=True, split_letters=language in WITHOUT_SPACES)
    return (lambda text: basic(_unpointed(text))) if language in POINTED else basic


def _unpointed(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Mn")


def _share(found: list[bool]) -> float:
    return _percent(sum(found), len(found))


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else nan
