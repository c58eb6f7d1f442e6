"""Endless, seeded mixtures of training speech and noise; knows no network.

Every batch is a function of (seed, stage, index), so a run that was killed goes on with
the very mixtures it would have seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from unhear import audio
from unhear.datasets import Clip, fit_length, mix_at_snr, select
from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz
SEGMENT = 48_000  # samples: 3 s
HELD_OUT = 0.15  # of every noise file, at its end, and of the speakers: for validation
BABBLE_SHARE = 0.15  # of the mixtures get a crowd of training voices as their noise
STUDIO_WEIGHT = 4.0  # studio corpora are few but clean: their clips are drawn this much oftener
STUDIO = ("vctk",)


@dataclass(frozen=True)
class Mixtures:
    """Clean and noisy segments of 3 s, drawn at random SNR and level."""

    speech: list[Float[np.ndarray, " _"]]  # of any lengths
    noise: list[Float[np.ndarray, " _"]]
    weights: Float[np.ndarray, " clips"]
    seed: int

    def batch(
        self, stage: int, index: int, size: int
    ) -> tuple[Float[np.ndarray, "size time"], Float[np.ndarray, "size time"]]:
        """(clean, noisy), each (size, 48000) in [-1, 1]."""
        rng = np.random.default_rng([self.seed, stage, index])
        pairs = [self._pair(rng) for _ in range(size)]
        clean, noisy = zip(*pairs, strict=True)
        return np.stack(clean), np.stack(noisy)

    def _pair(
        self, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        clean = self._speech(rng)
        noisy = mix_at_snr(clean, self._noise(rng), _snr_db(rng))
        level = 10 ** (rng.uniform(-36, -18) / 20) / np.sqrt(np.mean(np.square(noisy)))
        gain = min(level, 0.99 / np.max(np.abs(noisy)))
        return (clean * gain).astype(np.float32), (noisy * gain).astype(np.float32)

    def digest(self) -> str:
        """Of all recordings."""
        digest = hashlib.sha256()
        for recording in (*self.speech, *self.noise):
            digest.update(np.ascontiguousarray(recording).tobytes())
        return digest.hexdigest()

    def _speech(self, rng: np.random.Generator) -> Float[np.ndarray, " time"]:
        while True:
            clip = self.speech[rng.choice(len(self.speech), p=self.weights)]
            offset = int(rng.integers(0, max(1, len(clip) - SEGMENT)))
            segment = clip[offset : offset + SEGMENT]
            if np.any(segment):
                return np.pad(segment, (0, SEGMENT - len(segment)))

    def _noise(self, rng: np.random.Generator) -> Float[np.ndarray, " time"]:
        if rng.random() < BABBLE_SHARE:
            voices = [_unit(self._speech(rng)) for _ in range(rng.integers(3, 9))]
            return _tilt(np.stack(voices).sum(0), rng)
        noise = self._recorded(rng)
        if rng.random() < 0.3:
            noise = _unit(noise) + 10 ** (rng.uniform(-10, 0) / 20) * _unit(self._recorded(rng))
        return _tilt(noise, rng)

    def _recorded(self, rng: np.random.Generator) -> Float[np.ndarray, " time"]:
        while True:
            clip = self.noise[rng.integers(len(self.noise))]
            segment = fit_length(clip, SEGMENT, int(rng.integers(len(clip))))
            if np.any(segment):
                return segment


def _unit(signal: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    return signal / (np.sqrt(np.mean(np.square(signal))) + 1e-8)


def _tilt(noise: Float[np.ndarray, " time"], rng: np.random.Generator) -> np.ndarray:
    """A random first-order slope: 16 noise files alone would be learnt by heart."""
    pole, zero = rng.uniform(-0.3, 0.9), rng.uniform(-0.3, 0.5)
    return np.asarray(lfilter([1.0, -zero], [1.0, -pole], noise), dtype=np.float32)


def _snr_db(rng: np.random.Generator) -> float:
    """0 to 15 dB mostly, as VoiceBank+DEMAND; 10 % below and 10 % above."""
    low, high = [(0, 15), (-5, 0), (15, 20)][rng.choice(3, p=[0.8, 0.1, 0.1])]
    return float(rng.uniform(low, high))


def load_mixtures(clips: list[Clip], seed: int) -> tuple[Mixtures, Mixtures]:
    """(training, validation) mixtures of the ``train`` split, with other noise and, where
    there are more than seven, other speakers.

    Raises InputError when the split holds no speech or no noise, a file is missing, damaged or
    not at 16 kHz, or one is silent, which for a noise means its first 85 % or its last 15 %.
    """
    speech, noise = select(clips, "speech", "train"), select(clips, "noise", "train")
    held_out = _held_out_speakers(speech)
    recordings = [_read(clip.path) for clip in noise]
    cuts = [int(len(recording) * (1 - HELD_OUT)) for recording in recordings]
    heads = [recording[:cut] for recording, cut in zip(recordings, cuts, strict=True)]
    tails = [recording[cut:] for recording, cut in zip(recordings, cuts, strict=True)]
    for clip, *parts in zip(noise, heads, tails, strict=True):
        _check_sounding(clip, *parts)
    train = [clip for clip in speech if clip.speaker not in held_out]
    valid = [clip for clip in speech if clip.speaker in held_out]
    return _mixtures(train, heads, seed), _mixtures(valid or train, tails, seed)


def _held_out_speakers(speech: list[Clip]) -> set[str]:
    speakers = sorted({clip.speaker for clip in speech if clip.speaker})
    step = round(1 / HELD_OUT)
    return set(speakers[::step]) if len(speakers) > step else set()


def _mixtures(clips: list[Clip], noise: list[np.ndarray], seed: int) -> Mixtures:
    weights = np.array([_weight(clip.path) for clip in clips], dtype=np.float64)
    speech = [_read(clip.path) for clip in clips]
    for clip, recording in zip(clips, speech, strict=True):
        _check_sounding(clip, recording)
    return Mixtures(speech, noise, weights / weights.sum(), seed)


def _check_sounding(clip: Clip, *parts: np.ndarray) -> None:
    """Raise InputError for silence, from which nothing can be drawn."""
    if not all(part.any() for part in parts):
        raise InputError(f"{clip.path} is silent: take it out of the manifest")


def _weight(path: Path) -> float:
    return STUDIO_WEIGHT if path.parent.name in STUDIO else 1.0


def _read(path: Path) -> Float[np.ndarray, " time"]:
    recording = audio.read(path)
    rate = recording.sample_rate
    if rate != SAMPLE_RATE:
        raise InputError(f"{path} is at {rate} Hz: training data must be at {SAMPLE_RATE} Hz")
    return recording.samples.mean(0).astype(np.float32)
