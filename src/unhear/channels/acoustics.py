"""Played and recorded anew: a small room, a microphone; and a smoothing filter."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from scipy.fft import next_fast_len

from unhear.channels.base import Passage, Survivable, uniform

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

TINY = 1e-20
LOWEST = 20.0  # Hz, below which drawn spectra stay level
SETTLED = 0.1  # s, after which the responses have died away


class Room(Survivable):
    """A small room: the direct sound, unchanged in level and time, and a decaying tail.

    The tail is Gaussian noise under an exponential envelope, the statistical model of J.-D.
    Polack (La transmission de l'énergie sonore dans les salles, 1988).
    """

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """RT60 of 0.15–0.4 s, a tail 0–10 dB below the direct sound from 1–4 ms on."""
        decay = uniform(0.15, 0.4, random)  # s
        gap = max(1, round(uniform(0.001, 0.004, random) * sample_rate))
        level_db = -uniform(0.0, 10.0, random)
        time = torch.arange(math.ceil(decay * sample_rate)) / sample_rate
        tail = torch.randn(len(time), generator=random) * 10 ** (-3 * time / decay)
        tail[:gap] = 0
        response = tail * 10 ** (level_db / 20) / tail.norm()
        response[0] = 1
        return Passage(partial(_convolved, response))


class Microphone(Survivable):
    """A microphone: its frequency response, and its noise.

    The response has no delay (zero phase). The noise is coloured, and relative to each row's
    own level; its gradient is nil.
    """

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """SNR 30–40 dB, noise ∝ f⁰…f⁻², ±1 dB/octave, from 40–120 Hz to 0.8–1 of the band."""
        noise = partial(
            _noise, int(torch.randint(2**31, (), generator=random)), uniform(0.0, 2.0, random)
        )
        response = partial(
            _response,
            uniform(-1.0, 1.0, random),
            uniform(40.0, 120.0, random),
            uniform(0.8, 1.0, random) * sample_rate / 2,
        )
        snr_db = uniform(30.0, 40.0, random)
        return Passage(partial(_recorded, response, noise, snr_db, sample_rate))


class Denoise(Survivable):
    """Light Gaussian smoothing, a defence against perturbations that the adversary may try.

    No noise is added: ``microphone`` does that.
    """

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """A standard deviation of 0.3–0.7 samples of 16 kHz: 4–21 dB off at 8 kHz."""
        width = uniform(0.3, 0.7, random) / 16_000  # s
        return Passage(partial(_filtered, sample_rate, partial(_gaussian, width)))


def _convolved(
    response: Float[Tensor, " taps"], audio: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch time"]:
    samples = audio.shape[-1]
    size = next_fast_len(samples + len(response) - 1, real=True)
    spectrum = torch.fft.rfft(audio, size) * torch.fft.rfft(response.to(audio), size)
    return torch.fft.irfft(spectrum, size)[:, :samples]


def _recorded(
    response: Callable[[Float[Tensor, " bins"]], Float[Tensor, " bins"]],
    noise: Callable[[int, int], Float[Tensor, " time"]],
    snr_db: float,
    sample_rate: int,
    audio: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time"]:
    heard = _filtered(sample_rate, response, audio)
    level = heard.detach().square().mean(-1, keepdim=True).sqrt() * 10 ** (-snr_db / 20)
    return heard + level * noise(audio.shape[-1], sample_rate).to(audio)


def _noise(seed: int, slope: float, samples: int, sample_rate: int) -> Float[Tensor, " time"]:
    """Seeded noise of RMS 1 whose power falls with frequency to the ``slope``."""
    white = torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))
    noise = _filtered(sample_rate, lambda hz: hz ** (-slope / 2), white)[0]
    return noise / (noise.square().mean() + TINY).sqrt()


def _response(
    tilt_db: float, from_hz: float, to_hz: float, hz: Float[Tensor, " bins"]
) -> Float[Tensor, " bins"]:
    """A tilt in dB per octave about 1 kHz, between two Butterworth slopes."""
    tilt = 10 ** (tilt_db / 20 * torch.log2(hz / 1000))
    return tilt / torch.sqrt((1 + (from_hz / hz) ** 4) * (1 + (hz / to_hz) ** 8))


def _gaussian(width: float, hz: Float[Tensor, " bins"]) -> Float[Tensor, " bins"]:
    """The spectrum of a Gaussian of unit area with a standard deviation in seconds."""
    return torch.exp(-((2 * math.pi * width * hz) ** 2) / 2)


def _filtered(
    sample_rate: int,
    magnitude: Callable[[Float[Tensor, " bins"]], Float[Tensor, " bins"]],
    audio: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time"]:
    """Filtered with a magnitude response over Hz, and no phase."""
    samples = audio.shape[-1]
    size = next_fast_len(samples + round(SETTLED * sample_rate), real=True)
    hz = torch.fft.rfftfreq(size, 1 / sample_rate).clamp(min=LOWEST)
    spectrum = torch.fft.rfft(audio, size) * magnitude(hz).to(audio)
    return torch.fft.irfft(spectrum, size)[:, :samples]
