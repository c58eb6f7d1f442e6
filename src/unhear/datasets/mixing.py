"""Two signals → speech in noise at a signal-to-noise ratio; how loud speech is while spoken."""

from __future__ import annotations

from math import ceil, exp
from typing import TYPE_CHECKING

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float

TIME_CONSTANT = 0.03  # seconds, of both smoothing stages
HANGOVER = 0.2  # seconds that speech stays active below the threshold
MARGIN = 15.9  # dB from the threshold up to the active level
# Powers of two from one step of 16 bits up to half of full scale, as in the standard, and
# eight more below them for quiet recordings.
THRESHOLDS = 2.0 ** np.arange(-23, 0)


def mix_at_snr(
    speech: Float[np.ndarray, " time"],
    noise: Float[np.ndarray, " time"],
    snr_db: float,
    speech_rms: float | None = None,
) -> Float[np.ndarray, " time"]:
    """Speech plus noise scaled so that 10·log10(‖speech‖² / ‖scaled noise‖²) = ``snr_db``.

    With ``speech_rms``, such as :func:`active_level`, the ratio is that of this level to the
    noise's rms instead, whatever pauses the speech has.
    Raises InputError when the noise is all zeros.
    """
    energy = float(np.sum(np.square(noise, dtype=np.float64)))
    if energy == 0.0:
        raise InputError("the noise is all zeros and cannot be mixed at any SNR")
    if speech_rms is None:
        speech_energy = float(np.sum(np.square(speech, dtype=np.float64)))
    else:
        speech_energy = speech.size * speech_rms**2
    wanted = speech_energy / 10 ** (snr_db / 10)
    return (speech + noise * np.sqrt(wanted / energy)).astype(np.float32)


def fit_length(
    noise: Float[np.ndarray, " time"], samples: int, offset: int = 0
) -> Float[np.ndarray, " samples"]:
    """``samples`` of the noise from ``offset`` on, repeated from its start when it is short."""
    return np.take(noise, np.arange(offset, offset + samples), mode="wrap")


def active_level(speech: Float[np.ndarray, " time"], sample_rate: int) -> float:
    """The rms of speech in [-1, 1] over the time in which someone speaks; 0 for silence.

    Speech is active where its envelope exceeds a threshold, and 0.2 s longer. Of all
    thresholds the one counts that lies 15.9 dB below the level it leads to, interpolated.
    Source: ITU-T P.56 (12/2011), method B. No band limits: speech corpora need none.
    """
    from scipy.signal import lfilter

    pole = exp(-1 / (TIME_CONSTANT * sample_rate))
    envelope = np.abs(speech, dtype=np.float64)
    for _ in range(2):
        envelope = np.asarray(lfilter([1 - pole], [1, -pole], envelope))
    reached = THRESHOLDS[envelope.max() >= THRESHOLDS]
    if not reached.size:
        return 0.0
    hangover = ceil(HANGOVER * sample_rate)
    samples = np.array([_active_samples(envelope >= each, hangover) for each in reached])
    levels = 10 * np.log10(np.sum(np.square(speech, dtype=np.float64)) / samples)
    return 10 ** (_at_margin(levels, levels - 20 * np.log10(reached)) / 20)


def _active_samples(above: np.ndarray, hangover: int) -> int:
    """How many samples are above the threshold, or follow one within the hangover."""
    gaps = np.diff(np.flatnonzero(above), append=above.size)
    return int(np.minimum(gaps, hangover + 1).sum())


def _at_margin(levels: np.ndarray, margins: np.ndarray) -> float:
    """The level (dB) where the margin first falls to 15.9 dB from one threshold to the next."""
    first = int(np.argmax(margins <= MARGIN)) if margins.min() <= MARGIN else margins.size - 1
    pair = [first, max(first - 1, 0)]
    return float(np.interp(MARGIN, margins[pair], levels[pair]))
