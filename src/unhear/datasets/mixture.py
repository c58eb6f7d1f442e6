"""Which utterance is heard in which noise, from where and how loud; seeded.

The scene, the recording of it and where that starts are drawn from the seed and the utterance's
name alone, each on its own. So they stay the same whatever else is measured: with fewer clips,
at another SNR, with every scene. The price: scenes are balanced by chance, not exactly.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from unhear import audio
from unhear.datasets.mixing import active_level, fit_length, mix_at_snr
from unhear.datasets.noise import Noise
from unhear.datasets.utterance import Utterance
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz
HEADROOM = 0.99  # peak of a mixture that would have clipped


@dataclass(frozen=True)
class Mixture:
    """An utterance in noise, read and mixed when it is loaded."""

    utterance: Utterance
    noise: Noise | None = None  # None, as snr_db: as recorded
    start: float = 0.0  # where in the noise it begins, from 0 to 1
    snr_db: float | None = None  # active speech level to the noise's rms

    @property
    def name(self) -> str:
        """Unique among the mixtures of a dataset: ``p232_001 in TBUS at -4 dB``."""
        if self.noise is None or self.snr_db is None:
            return f"{self.utterance.name} as recorded"
        return f"{self.utterance.name} in {self.noise.scene} at {self.snr_db:g} dB"

    def load(self) -> tuple[audio.Recording | None, audio.Recording]:
        """(clean, noisy) at 16 kHz, mono, rounded to 16 bits; clean is None when unknown.

        Both are turned down together where the mixture would clip.
        Raises InputError when a file cannot be read or is silent, or when a dataset's clean
        and noisy recordings differ in length.
        """
        if self.noise is not None and self.snr_db is not None:
            return self._mixed(self.noise, self.snr_db)
        if self.utterance.noisy is None:
            return None, _stored(_read(self.utterance.path))
        clean, noisy = _read(self.utterance.path), _read(self.utterance.noisy)
        if clean.size != noisy.size:
            raise InputError(
                f"{self.utterance.noisy} and {self.utterance.path} differ in length: "
                "give recordings of the same time"
            )
        return _stored(clean), _stored(noisy)

    def _mixed(self, noise: Noise, snr_db: float) -> tuple[audio.Recording, audio.Recording]:
        clean, sound = _read(self.utterance.path), _read(noise.path)
        level = active_level(clean, SAMPLE_RATE)
        if level == 0.0:
            raise InputError(f"{self.utterance.path} is silent: leave it out")
        segment = fit_length(sound, clean.size, int(self.start * sound.size))
        if not segment.any():
            raise InputError(
                f"{noise.path} is silent for {clean.size / SAMPLE_RATE:.1f} s from "
                f"{self.start * sound.size / SAMPLE_RATE:.1f} s on: leave it out"
            )
        noisy = mix_at_snr(clean, segment, snr_db, level).astype(np.float64)
        gain = HEADROOM / max(HEADROOM, np.abs(clean).max(), np.abs(noisy).max())
        return _stored(gain * clean), _stored(gain * noisy)


def mixtures(
    utterances: Sequence[Utterance],
    noises: Sequence[Noise],
    snrs_db: Sequence[float],
    *,
    clips: int | None,
    seed: int,
    longest: float = inf,
    every_noise: bool = False,
) -> list[Mixture]:
    """Each utterance in a scene drawn for it, or in every scene, at every SNR; in this order.

    ``clips`` evenly spread utterances are taken (None: all) of those that last at most
    ``longest`` seconds.
    Raises InputError when no utterance or noise is left, an SNR is no number, or the length of
    a recording is asked for and it cannot be read.
    """
    for snr_db in snrs_db:
        if not isfinite(snr_db):
            raise InputError(f"{snr_db} is no signal-to-noise ratio: give it in dB")
    if not noises:
        raise InputError("there is no noise to mix with: name some")
    by_scene = _by_scene(noises)
    return [
        replace(placed, snr_db=snr_db)
        for utterance in _taken(utterances, clips, longest)
        for placed in _placed(utterance, by_scene, seed, every_noise=every_noise)
        for snr_db in snrs_db
    ]


def as_recorded(
    utterances: Sequence[Utterance], *, clips: int | None, longest: float = inf
) -> list[Mixture]:
    """The dataset's own noisy recordings, chosen as by :func:`mixtures`.

    Where none of the utterances has one, the utterances are taken for noisy recordings
    themselves, of which no clean version is known.
    """
    paired = [utterance for utterance in utterances if utterance.noisy is not None]
    return [Mixture(each) for each in _taken(paired or utterances, clips, longest)]


def _taken(
    utterances: Sequence[Utterance], clips: int | None, longest: float
) -> list[Utterance]:
    if clips is not None and clips < 1:
        raise InputError(f"{clips} clips leave nothing to measure: take 1 or more")
    short = [each for each in utterances if longest == inf or seconds_of(each.path) <= longest]
    if not short:
        raise InputError(
            f"none of {len(utterances)} clips lasts {longest:g} s or less: allow longer ones"
        )
    if clips is None or clips >= len(short):
        return short
    return [short[i] for i in np.linspace(0, len(short) - 1, clips).round().astype(int)]


def _by_scene(noises: Sequence[Noise]) -> dict[str, list[Noise]]:
    """Sorted, so that the order in which noises were given decides nothing."""
    by_scene: dict[str, list[Noise]] = {}
    for noise in sorted(noises, key=lambda noise: (noise.scene, noise.path)):
        by_scene.setdefault(noise.scene, []).append(noise)
    return by_scene


def _placed(
    utterance: Utterance, by_scene: dict[str, list[Noise]], seed: int, *, every_noise: bool
) -> list[Mixture]:
    """The utterance in its scene, or in every scene, from the same place in either case."""

    def draw(*what: str) -> float:
        return _uniform(str(seed), utterance.name, *what)

    # Each scene draws a lot and the highest wins: a further scene changes no other's lot.
    scenes = list(by_scene) if every_noise else [max(by_scene, key=draw)]
    return [
        Mixture(
            utterance,
            by_scene[scene][int(draw(scene, "recording") * len(by_scene[scene]))],
            draw(scene, "start"),
        )
        for scene in scenes
    ]


def _uniform(*words: str) -> float:
    """From 0 to below 1, the same for the same words on every machine."""
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def seconds_of(path: Path) -> float:
    """How long a recording is; raises InputError when it cannot be read."""
    with audio.opened(path) as file:
        return file.frames / file.samplerate


def _read(path: Path) -> Float[np.ndarray, " time"]:
    return audio.downmixed(audio.read(path), SAMPLE_RATE)


def _stored(samples: Float[np.ndarray, " time"]) -> audio.Recording:
    return audio.Recording(audio.as_stored(samples[None], "PCM_16"), SAMPLE_RATE)
