"""The classical statistical enhancer: log-spectral amplitude estimation, without training.

Gain: Ephraim and Malah, "Speech enhancement using a minimum mean-square error log-spectral
amplitude estimator", IEEE TASSP 33(2), 1985. A-priori SNR: decision-directed, after the same
authors, IEEE TASSP 32(6), 1984. Noise: Gerkmann and Hendriks, "Unbiased MMSE-based noise
power estimation with low complexity and low tracking delay", IEEE TASLP 20(4), 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import ShortTimeFFT, get_window
from scipy.special import exp1

if TYPE_CHECKING:
    from jaxtyping import Float


SAMPLE_RATE = 16_000  # Hz
WINDOW = 512  # samples, 32 ms
HOP = 256  # samples, 16 ms
FIRST_FRAMES = 5  # with sound, that are taken for noise alone

DECISION = 0.98  # weight of the last frame's estimate in the a-priori SNR
LEAST_SNR = 10 ** (-25 / 10)  # a-priori, which bounds the attenuation

SPEECH_SNR = 10 ** (15 / 10)  # a-priori SNR where there is speech, for its probability
PROBABILITY_SMOOTHING = 0.9
MOST_PROBABLE = 0.99  # lest a sudden rise of the noise be taken for speech for ever
NOISE_SMOOTHING = 0.8

LEAST_POWER = 1e-30  # of noise, far below that of the last bit: divisions need it


def gain(
    prior: Float[np.ndarray, " bins"], posterior: Float[np.ndarray, " bins"]
) -> Float[np.ndarray, " bins"]:
    """ξ/(1+ξ) · exp(½·E₁(v)) with v = γ·ξ/(1+ξ): equation 20 of the paper.

    ``prior`` is the a-priori SNR ξ, ``posterior`` the a-posteriori SNR γ, both ratios of
    powers. For large γ this is the Wiener gain ξ/(1+ξ); for small γ it may exceed 1.
    """
    wiener = prior / (1 + prior)
    return wiener * np.exp(exp1(np.maximum(wiener * posterior, 1e-10)) / 2)


class NoiseTracker:
    """The power of the noise in every bin, followed through speech."""

    def __init__(self, power: Float[np.ndarray, " bins"]) -> None:
        self.power = power
        self._smoothed = np.zeros_like(power)  # probability of speech

    def update(self, observed: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
        """The power of the noise, given that of the next noisy frame."""
        posterior = observed / np.maximum(self.power, LEAST_POWER)
        evidence = np.exp(-posterior * SPEECH_SNR / (1 + SPEECH_SNR))
        speech = 1 / (1 + (1 + SPEECH_SNR) * evidence)
        self._smoothed += (1 - PROBABILITY_SMOOTHING) * (speech - self._smoothed)
        stuck = self._smoothed > MOST_PROBABLE
        speech = np.where(stuck, np.minimum(speech, MOST_PROBABLE), speech)
        noise = speech * self.power + (1 - speech) * observed
        self.power = NOISE_SMOOTHING * self.power + (1 - NOISE_SMOOTHING) * noise
        return self.power


def gains(power: Float[np.ndarray, "bins frames"]) -> Float[np.ndarray, "bins frames"]:
    """The gain of every frame, at most 1, from the powers of all; 0 for those of silence."""
    output = np.zeros_like(power)
    with_sound = np.flatnonzero(power.any(axis=0))
    if not with_sound.size:
        return output
    tracker = NoiseTracker(power[:, with_sound[:FIRST_FRAMES]].mean(axis=1))
    clean = np.zeros(len(power))  # the last frame's estimate of the power of speech
    for frame in with_sound:
        noise = np.maximum(tracker.update(power[:, frame]), LEAST_POWER)
        posterior = power[:, frame] / noise
        instant = np.maximum(posterior - 1, 0)
        prior = DECISION * clean / noise + (1 - DECISION) * instant
        applied = np.minimum(gain(np.maximum(prior, LEAST_SNR), posterior), 1)
        clean = np.square(applied) * power[:, frame]
        output[:, frame] = applied
    return output


def denoise(samples: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Suppress noise at 16 kHz."""
    window = np.sqrt(get_window("hann", WINDOW))
    transform = ShortTimeFFT(window, HOP, SAMPLE_RATE)
    padded = np.pad(samples, (0, max(0, WINDOW - samples.size)))
    spec = transform.stft(padded)
    output = transform.istft(spec * gains(np.square(np.abs(spec))), k1=padded.size)
    return output[: samples.size]
