"""Figures of merit: plain functions of arrays and texts, computed in float64.

A figure that is undefined is NaN, never a guess: an average must leave it out knowingly.
Knows nothing of files, models or sample rates, but for PESQ and STOI, which take 16 kHz.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from math import inf, isnan, log, log10, nan
from typing import TYPE_CHECKING, cast

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz, for PESQ and STOI
INT16 = 32_768  # 16-bit steps in an amplitude of 1
PESQ_SHORTEST = SAMPLE_RATE // 4  # samples
PESQ_LONGEST = 20 * SAMPLE_RATE  # samples
STOI_LONGEST = 60 * SAMPLE_RATE  # samples: bounds the memory of its frames
STOI_SHORTEST = 2 * SAMPLE_RATE // 5  # samples: 30 of its frames
LOOP_REPEATS = 4
LOOP_WORDS = 6
LOOP_SHARE = 1 / 3


# Levels


def snr_db(
    signal: Float[np.ndarray, " time"], perturbation: Float[np.ndarray, " other"]
) -> float:
    """10·log10(‖signal‖² / ‖perturbation‖²) in dB, a ratio of energies.

    inf for a perturbation of zeros, -inf for a signal of zeros under any other perturbation.
    Raises InputError when the lengths differ.
    """
    signal, perturbation = _pair(signal, perturbation)
    if not perturbation.any():
        return inf
    return _decibels(_norm(signal), _norm(perturbation))


def rpr(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """Ratio of the logarithms of norms, ln‖change‖₂ / ln‖perturbation‖₂, in 16-bit steps.

    ``change`` is the enhanced protected recording minus the enhanced original. No unit; about
    1 to 1.5, and more is better. It depends on the amplitude scale: this is the scale on which
    the paper's figures (arXiv 2206.08170, at most 1.4430) arise.
    NaN when either norm is 0 or that of the perturbation is 1.
    """
    return _log_ratio(INT16 * _norm(perturbation), INT16 * _norm(change))


def rpr_unit(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """:func:`rpr` with amplitudes in [-1, 1]: any real number, singular at a norm of 1."""
    return _log_ratio(_norm(perturbation), _norm(change))


def gain_db(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """20·log10(‖change‖₂ / ‖perturbation‖₂) in dB: how far the enhancer amplified it.

    -inf when nothing changed, inf when something did without a perturbation, NaN for neither.
    """
    return _decibels(_norm(change), _norm(perturbation))


def level_change_db(
    before: Float[np.ndarray, " time"], after: Float[np.ndarray, " later"]
) -> float:
    """20·log10(rms after / rms before) in dB.

    -inf when silence is left, inf from silence to sound, NaN from silence to silence.
    """
    return _decibels(_rms(after), _rms(before))


def si_sdr_db(
    reference: Float[np.ndarray, " time"], estimate: Float[np.ndarray, " other"]
) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, both signals made zero-mean.

    Le Roux et al., "SDR – Half-Baked or Well Done?", arXiv 1811.02508. inf for a scaled copy,
    -inf for an orthogonal estimate, NaN when either signal is constant.
    Raises InputError when the lengths differ.
    """
    reference, estimate = (_centred(audio) for audio in _pair(reference, estimate))
    if not reference.any() or not estimate.any():
        return nan
    target = reference * (np.dot(estimate, reference) / np.dot(reference, reference))
    return _decibels(_norm(target), _norm(estimate - target))


# Quality and intelligibility


def pesq_wb(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]
) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz: MOS-LQO from 1.04 (bad) to 4.64 (identical).

    P.862 is made for 8 to 20 s, and its program writes past its tables on more than 50
    utterances: longer audio is cut into equal pieces of at most 20 s, whose mean is returned.
    NaN when either signal is all zeros, not finite or shorter than 0.25 s, or no utterance is
    found. Raises InputError when the lengths differ.
    """
    reference, degraded = _pair(reference, degraded)
    scores = [_pesq_piece(*pair) for pair in _pieces(reference, degraded, PESQ_LONGEST)]
    return _mean_of_defined(scores)


def _pesq_piece(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " time"]
) -> float:
    from pesq import NoUtterancesError, pesq  # pyright: ignore[reportUnknownVariableType]

    if reference.size < PESQ_SHORTEST or not _has_sound(reference, degraded):
        return nan
    try:
        return cast("float", pesq(SAMPLE_RATE, reference, degraded, "wb"))
    except NoUtterancesError:
        return nan


def stoi(reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]) -> float:
    """Short-time objective intelligibility at 16 kHz, about 0 (none) to 1 (all).

    Taal et al., IEEE TASLP 19(7), 2011. Longer audio is cut into equal pieces of at most 60 s,
    whose mean is returned. A degraded signal of zeros has 0. NaN when the
    reference is all zeros or has less than 0.4 s of sound, or either signal is not finite.
    Raises InputError when the lengths differ.
    """
    reference, degraded = _pair(reference, degraded)
    scores = [_stoi_piece(*pair) for pair in _pieces(reference, degraded, STOI_LONGEST)]
    return _mean_of_defined(scores)


def _stoi_piece(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " time"]
) -> float:
    from pystoi import stoi as compute  # pyright: ignore[reportUnknownVariableType]

    finite = bool(np.isfinite(degraded).all())
    if reference.size < STOI_SHORTEST or not finite or not _has_sound(reference):
        return nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(compute(reference, degraded, SAMPLE_RATE))
        except RuntimeWarning:  # too few frames with sound, where pystoi would return 1e-5
            return nan


def _pieces(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " time"], longest: int
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Both signals cut alike into equal pieces of at most ``longest`` samples."""
    count = max(1, -(-reference.size // longest))
    return zip(np.array_split(reference, count), np.array_split(degraded, count), strict=True)


def _mean_of_defined(scores: list[float]) -> float:
    defined = [score for score in scores if not isnan(score)]
    return sum(defined) / len(defined) if defined else nan


# Words


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
    evening out of case and punctuation.
    """
    return " ".join(_normaliser(english=language == "en")(text).split())


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
    return re.search(r"\w", normalise_text(text, language)) is None


def is_looping(text: str) -> bool:
    """Whether a phrase of 1 to 6 words comes 4 times or more in a row.

    Such a stretch must make up a third of the text. Whisper does so on noise; people repeat
    words, too, so it is a hint and not a proof.
    """
    words = re.findall(r"\w+", text.lower())
    longest = max(
        (_longest_loop(words, period) for period in range(1, LOOP_WORDS + 1)), default=0
    )
    return longest > 0 and longest >= LOOP_SHARE * len(words)


def _longest_loop(words: list[str], period: int) -> int:
    """Words in the longest stretch that repeats with this period often enough, else 0."""
    longest = length = period
    for now, before in zip(words[period:], words, strict=False):
        length = length + 1 if now == before else period
        longest = max(longest, length)
    return longest if longest >= LOOP_REPEATS * period else 0


@cache
def _normaliser(*, english: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer() if english else BasicTextNormalizer()


# Helpers


def _pair(
    first: Float[np.ndarray, " time"], second: Float[np.ndarray, " other"]
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " other"]]:
    if first.shape != second.shape:
        raise InputError(
            f"signals of {first.size} and {second.size} samples cannot be compared: cut both "
            "to one length"
        )
    return np.asarray(first, np.float64), np.asarray(second, np.float64)


def _has_sound(*signals: Float[np.ndarray, " time"]) -> bool:
    return all(bool(audio.any()) and bool(np.isfinite(audio).all()) for audio in signals)


def _centred(audio: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Zero-mean; a constant becomes exactly zero."""
    shifted = audio - audio[:1]
    return shifted - shifted.mean() if shifted.size else shifted


def _norm(audio: Float[np.ndarray, " time"]) -> float:
    return float(np.linalg.norm(np.asarray(audio, np.float64)))


def _rms(audio: Float[np.ndarray, " time"]) -> float:
    return _norm(audio) / max(1, audio.size) ** 0.5


def _decibels(over: float, under: float) -> float:
    """20·log10(over / under), with the limits at zero."""
    if over == 0 or under == 0:
        return nan if over == under else (inf if under == 0 else -inf)
    return 20 * (log10(over) - log10(under))


def _log_ratio(under: float, over: float) -> float:
    if 0 in (under, over) or under == 1:
        return nan
    return log(over) / log(under)


def _percent(errors: int, words: int) -> float:
    return 100 * errors / words if words else nan
