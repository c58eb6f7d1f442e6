"""What the enhancer should put out instead of clean speech, as one loss for each clip.

Knows neither models nor attacks. A loss takes the enhanced clips and is always minimised.
"""

from __future__ import annotations

import math
from binascii import crc32
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch

from unhear.audio import downmixed
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.audio import Recording

Kind = Literal["erase", "silence", "noise", "speech"]
Form = Literal["mse", "l2", "l2 of 3 s"]
TINY = 1e-12
THREE_SECONDS = 48_000  # samples, at the rate of the paper

MEL_BANDS = 64
WINDOW = 512  # samples
HOP = 128  # samples
ALL = slice(None)
FLOOR = 1e-3  # of a clip's mean mel power: what lies 30 dB below it is not heard


@runtime_checkable
class Loss(Protocol):
    """Enhanced clips → how far each is from its target."""

    def __call__(
        self, enhanced: Float[Tensor, "batch time"], clips: slice = ALL
    ) -> Float[Tensor, " batch"]:
        """The loss of each clip; ``clips`` says which they are, where they are not all."""
        ...


@dataclass(frozen=True)
class Distance:
    """Distance to a target waveform t, of the same shape as the enhanced clips.

    ``mse`` is mean((y − t)²), as in equations 4 and 5 of arXiv 2206.08170; ``l2`` is
    ‖y − t‖₂, as in its Algorithm 1, and grows with the square root of the length T; ``l2 of
    3 s`` is that times √(48,000 / T), and does not.
    """

    target: Float[Tensor, "batch time"]
    form: Form

    def __call__(
        self, enhanced: Float[Tensor, "batch time"], clips: slice = ALL
    ) -> Float[Tensor, " batch"]:
        """See :class:`Distance`."""
        squares = (enhanced - self.target[clips]).square()
        if self.form == "mse":
            return squares.mean(-1)
        norm = torch.sqrt(squares.sum(-1) + TINY)
        return norm if self.form == "l2" else norm * (THREE_SECONDS / squares.shape[-1]) ** 0.5


@dataclass(frozen=True)
class Erasure:
    """Takes the speech out in a way that turning the volume up does not bring back.

    The sum of two parts on mel spectra, both 1 for ``reference`` itself: the loudness left
    (mean power to the 0.3, as a share), and ``weight`` times the correlation over time of each
    band's log power with that of ``reference``, which is blind to level.
    """

    reference: Float[Tensor, "batch time"]  # what the enhancer makes of the recording itself
    sample_rate: int  # Hz
    weight: float = 5.0  # see docs/log.md

    def __call__(
        self, enhanced: Float[Tensor, "batch time"], clips: slice = ALL
    ) -> Float[Tensor, " batch"]:
        """See :class:`Erasure`."""
        left = mel_power(enhanced, self.sample_rate)
        loudness, pattern = self._before
        share = _loudness(left) / (loudness[clips] + TINY)
        return share + self.weight * likeness(_log(left), pattern[clips])

    @cached_property
    def _before(
        self,
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch bands frames"]]:
        """Loudness and pattern of the reference."""
        mel = mel_power(self.reference, self.sample_rate)
        return _loudness(mel), _log(mel)


def resemblance(
    enhanced: Float[Tensor, "batch time"],
    reference: Float[Tensor, "batch time"],
    sample_rate: int,
) -> Float[Tensor, " batch"]:
    """Correlation over time of each mel band's log power with that of the reference, from -1
    to 1: blind to level, so that it says what is left of the words, not how loud they are.
    """
    return likeness(*(pattern(clip, sample_rate) for clip in (enhanced, reference)))


def pattern(
    audio: Float[Tensor, "batch time"], sample_rate: int
) -> Float[Tensor, "batch bands frames"]:
    """The log power in each mel band, of which :func:`likeness` compares two."""
    return _log(mel_power(audio, sample_rate))


def likeness(
    a: Float[Tensor, "batch bands frames"], b: Float[Tensor, "batch bands frames"]
) -> Float[Tensor, " batch"]:
    """:func:`resemblance` of what two patterns are of."""
    a, b = a - a.mean(2, keepdim=True), b - b.mean(2, keepdim=True)
    norms = a.square().sum((1, 2)) * b.square().sum((1, 2))
    return (a * b).sum((1, 2)) / torch.sqrt(norms + TINY)


def _loudness(mel: Float[Tensor, "batch bands frames"]) -> Float[Tensor, " batch"]:
    return (mel + TINY).pow(0.3).mean((1, 2))


def _log(mel: Float[Tensor, "batch bands frames"]) -> Float[Tensor, "batch bands frames"]:
    return torch.log(mel + FLOOR * mel.mean((1, 2), keepdim=True) + TINY)


def mel_power(
    audio: Float[Tensor, "batch time"], sample_rate: int
) -> Float[Tensor, "batch bands frames"]:
    """Power in 64 triangular mel bands, Hann windows of 512 samples every 128."""
    spec = torch.stft(
        audio, WINDOW, HOP, window=_hann(audio.device), pad_mode="constant", return_complex=True
    )
    power = spec.real.square() + spec.imag.square()
    return _filters_as(sample_rate, power.dtype, power.device) @ power


@cache
def _hann(device: torch.device) -> Float[Tensor, " window"]:
    return torch.hann_window(WINDOW, device=device)


@cache
def _filters_as(
    sample_rate: int, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "bands bins"]:
    return mel_filters(sample_rate).to(device, dtype)


@cache
def mel_filters(sample_rate: int) -> Float[Tensor, "bands bins"]:
    """Triangles of height 1, evenly spaced in mel = 2595·log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, MEL_BANDS + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, WINDOW // 2 + 1)
    low, mid, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (mid - low), (high - bins) / (high - mid)
    return torch.minimum(rising, falling).clamp(min=0)


@dataclass(frozen=True)
class Target:
    """One of the four targets, before it meets a recording."""

    kind: Kind
    spoken: Recording | None = None  # for speech
    seed: int = 0  # of the noise, and of what an enhancer itself draws
    room: float = math.inf  # seconds from the recording's beginning, in which words are said

    def __post_init__(self) -> None:
        """Raises InputError for a sentence without this target, or the other way round."""
        if (self.kind == "speech") != (self.spoken is not None):
            raise InputError(
                "the target speech needs a recording of what is to be heard, and no other does"
            )

    def waveform(
        self, reference: Float[Tensor, "clips time"], sample_rate: int
    ) -> Float[Tensor, "clips time"]:
        """What a loss compares with, for a whole recording.

        ``reference`` is what an enhancer of that rate makes of the recording itself. Erasure
        moves away from it; noise and speech are as loud as it is.
        """
        if self.kind == "erase":
            return reference
        if self.kind == "silence":
            return torch.zeros_like(reference)
        if self.spoken is not None:
            words = downmixed(self.spoken, sample_rate)
            latest = self.room * sample_rate - words.size
            return speech(reference, torch.from_numpy(words).float(), latest)
        return noise(reference, self.seed)

    def within(self, room: float) -> Target:
        """With so many seconds for what is said."""
        return replace(self, room=room)

    def later(self) -> Target:
        """What follows in a long recording: words are said once, and then there is silence."""
        if self.kind != "speech":
            return self
        return replace(self, kind="silence", spoken=None)

    def loss(self, waveform: Float[Tensor, "clips time"], form: Form, sample_rate: int) -> Loss:
        """The loss of clips whose part of :meth:`waveform` is given."""
        if self.kind == "erase":
            return Erasure(waveform, sample_rate)
        return Distance(waveform, form)


def noise(reference: Float[Tensor, "clips time"], seed: int) -> Float[Tensor, "clips time"]:
    """White noise as loud (rms) as the reference, clip by clip."""
    # Not the seed itself: an attack's random start is made of that, and would be on its target.
    generator = torch.Generator().manual_seed(crc32(f"noise {seed}".encode()))
    white = torch.randn(reference.shape, generator=generator).to(reference)
    return white * rms(reference) / rms(white)


def speech(
    reference: Float[Tensor, "clips time"],
    spoken: Float[Tensor, " samples"],
    latest: float = math.inf,
) -> Float[Tensor, "clips time"]:
    """Another utterance: begins where the reference does, or at the sample ``latest`` if that
    is earlier, cut or padded, and is as loud (rms) as the reference while it lasts.
    """
    return torch.stack([_instead(row, spoken.to(row), latest) for row in reference])


def _instead(
    row: Float[Tensor, " time"], spoken: Float[Tensor, " samples"], latest: float
) -> Float[Tensor, " time"]:
    lead = int(min(onset(row) - onset(spoken), max(0, latest)))
    begin, words = max(0, lead), spoken[max(0, -lead) :]
    end = min(begin + len(words), len(row))
    words = words[: end - begin]
    gain = rms(row[begin:end]) / (rms(words) + TINY)
    return torch.nn.functional.pad(gain * words, (begin, len(row) - end))


def onset(clip: Float[Tensor, " time"]) -> int:
    """The first sample within 26 dB of the clip's peak."""
    loud = clip.abs() >= 0.05 * clip.abs().max()
    return int(loud.to(torch.uint8).argmax())


def rms(clips: Float[Tensor, "*clips time"]) -> Float[Tensor, "*clips 1"]:
    """Root mean square of each clip."""
    return clips.square().mean(-1, keepdim=True).sqrt()
