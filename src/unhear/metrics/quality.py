"""How good and how intelligible a recording sounds beside its reference: PESQ and STOI.

Everything here takes 16 kHz and raises InputError when the lengths differ. Silence is looked
after: PESQ's own program fails on it.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import partial
from math import isnan, nan
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from unhear.metrics.checks import same_length

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz
PESQ_SHORTEST = SAMPLE_RATE // 4  # samples
PESQ_LONGEST = 20 * SAMPLE_RATE  # samples
STOI_LONGEST = 60 * SAMPLE_RATE  # samples: bounds the memory of its frames
STOI_SHORTEST = 2 * SAMPLE_RATE // 5  # samples: 30 of its frames


def pesq_wb(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]
) -> float:
    """Wide-band PESQ (ITU-T P.862.2), 50 Hz to 7 kHz: MOS-LQO of 1 (bad) to 4.64 (identical).

    P.862 is made for 8 to 20 s, and its program writes past its tables on more than 50
    utterances: longer audio is cut into equal pieces of at most 20 s, and the mean of those
    with a figure is returned. NaN when either signal is all zeros, not finite or shorter than
    0.25 s, or no utterance is found.
    """
    return _over_pieces(partial(_pesq_piece, band="wb"), reference, degraded, PESQ_LONGEST)


def pesq_nb(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]
) -> float:
    """Narrow-band PESQ (ITU-T P.862): MOS-LQO by P.862.1, of 1 (bad) to 4.55 (identical).

    What a telephone handset lets through, up to some 3.4 kHz, is compared. The standard takes
    8 kHz or, as here, 16 kHz, and filters either itself. Long audio and NaN as in
    :func:`pesq_wb`. Papers often print the raw score of P.862 (-0.5 to 4.5) instead.
    """
    return _over_pieces(partial(_pesq_piece, band="nb"), reference, degraded, PESQ_LONGEST)


def _pesq_piece(
    reference: Float[np.ndarray, " time"],
    degraded: Float[np.ndarray, " time"],
    *,
    band: Literal["wb", "nb"],
) -> float:
    from pesq import NoUtterancesError, pesq  # pyright: ignore[reportUnknownVariableType]

    if reference.size < PESQ_SHORTEST or not _has_sound(reference, degraded):
        return nan
    try:
        return cast("float", pesq(SAMPLE_RATE, reference, degraded, band))
    except NoUtterancesError:
        return nan


def stoi(reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]) -> float:
    """Short-time objective intelligibility, about 0 (none) to 1 (all).

    Taal et al., IEEE TASLP 19(7), 2011. Longer audio is cut into equal pieces of at most 60 s,
    and the mean of those with a figure is returned. A degraded signal of zeros has 0. NaN when
    the reference is all zeros or has less than 0.4 s of sound, or either signal is not finite.
    """
    return _over_pieces(partial(_stoi_piece, extended=False), reference, degraded, STOI_LONGEST)


def estoi(
    reference: Float[np.ndarray, " time"], degraded: Float[np.ndarray, " other"]
) -> float:
    """Extended STOI, about 0 (none) to 1 (all), which also holds for noise that fluctuates.

    Jensen and Taal, IEEE/ACM TASLP 24(11), 2016. Long audio, zeros and NaN as in :func:`stoi`.
    """
    return _over_pieces(partial(_stoi_piece, extended=True), reference, degraded, STOI_LONGEST)


def _stoi_piece(
    reference: Float[np.ndarray, " time"],
    degraded: Float[np.ndarray, " time"],
    *,
    extended: bool,
) -> float:
    from pystoi import stoi as compute  # pyright: ignore[reportUnknownVariableType]

    finite = bool(np.isfinite(degraded).all())
    if reference.size < STOI_SHORTEST or not finite or not _has_sound(reference):
        return nan
    with warnings.catch_warnings(), _repeatable():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            score = float(compute(reference, degraded, SAMPLE_RATE, extended))
        except RuntimeWarning:  # too few frames with sound, where pystoi would return 1e-5
            return nan
    return score if degraded.any() else 0.0


@contextmanager
def _repeatable() -> Generator[None]:
    """Let the same signals have the same figure.

    Against divisions by zero, pystoi's ESTOI adds a trace of numpy's global noise. Where the
    degraded signal is silent, nothing else is left to correlate, and figures differ by 0.01.
    """
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _over_pieces(
    figure: Callable[[np.ndarray, np.ndarray], float],
    reference: Float[np.ndarray, " time"],
    degraded: Float[np.ndarray, " other"],
    longest: int,
) -> float:
    """Mean over equal pieces of at most ``longest`` samples, without those that are NaN."""
    reference, degraded = same_length(reference, degraded)
    count = max(1, -(-reference.size // longest))
    pieces = (np.array_split(audio, count) for audio in (reference, degraded))
    scores = [figure(*piece) for piece in zip(*pieces, strict=True)]
    defined = [score for score in scores if not isnan(score)]
    return sum(defined) / len(defined) if defined else nan


def _has_sound(*signals: Float[np.ndarray, " time"]) -> bool:
    return all(bool(audio.any()) and bool(np.isfinite(audio).all()) for audio in signals)
