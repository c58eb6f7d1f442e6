"""The clips that every benchmark uses: `test` speech in `test` noise, and VoiceBank pairs."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from unhear import audio
from unhear.audio import downmixed
from unhear.datasets import Clip, fit_length, mix_at_snr, read_manifest, select
from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_RATE = 16_000  # Hz
SEED = 2206_08170  # which noise, from where
HEADROOM = 0.99  # peak of a mixture that would have clipped
PAIRED = "voicebank-clean"  # folder of the clean side of the VoiceBank pairs


@dataclass(frozen=True)
class Case:
    """One clip as it was said and as it was recorded."""

    name: str
    clean: audio.Recording
    noisy: audio.Recording
    transcript: str


Placed = tuple[Clip, Clip, float]  # speech, its noise, where in the noise it starts (0 to 1)


def mixtures(data: Path, count: int | None, snr_db: float, longest: float = inf) -> list[Case]:
    """`test` speech (all, or ``count`` evenly spread clips) in `test` noise.

    Only clips of at most ``longest`` seconds are taken.

    Which noise and where it starts do not depend on ``count`` or ``snr_db``.
    Raises InputError when the folder has no such clips.
    """
    clips = read_manifest(data)
    own = [clip for clip in select(clips, "speech", "test") if clip.path.parent.name != PAIRED]
    placed = _with_noise(own, select(clips, "noise", "test"))
    short = [each for each in placed if soundfile.info(each[0].path).duration <= longest]
    placed = _spread(short, count)
    return [_mixture(*each, snr_db) for each in placed]


def voicebank_pairs(data: Path) -> list[Case]:
    """Noisy recordings of VoiceBank+DEMAND with their clean sides, where there are any."""
    clips = read_manifest(data)
    clean = {clip.path.name: clip for clip in clips if clip.path.parent.name == PAIRED}
    noisy = [clip for clip in clips if clip.kind == "noisy" and clip.path.name in clean]
    return [Case(c.path.stem, _read(clean[c.path.name]), _read(c), c.transcript) for c in noisy]


def _with_noise(speech: list[Clip], noises: list[Clip]) -> list[Placed]:
    """Each clip with a noise and where in it to start, from 0 to 1."""
    random = np.random.default_rng(SEED)
    chosen = random.integers(len(noises), size=len(speech)).tolist()
    starts = random.random(len(speech)).tolist()
    return list(zip(speech, [noises[i] for i in chosen], starts, strict=True))


def _spread(items: list[Placed], count: int | None) -> list[Placed]:
    """``count`` of the items, evenly spread from the first to the last."""
    if count is None or count >= len(items):
        return items
    if count < 1:
        raise InputError(f"--clips {count} leaves nothing to measure: give 1 or more")
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _mixture(speech: Clip, noise: Clip, start: float, snr_db: float) -> Case:
    clean, sound = (_read(clip).samples[0] for clip in (speech, noise))
    mixed = mix_at_snr(
        clean, fit_length(sound, clean.size, int(start * sound.size)), snr_db
    ).astype(np.float64)
    gain = min(1.0, HEADROOM / max(float(np.max(np.abs(mixed))), HEADROOM))
    name = f"{speech.path.stem} in {noise.path.stem} at {snr_db:g} dB"
    return Case(name, _stored(gain * clean), _stored(gain * mixed), speech.transcript)


def _read(clip: Clip) -> audio.Recording:
    return _stored(downmixed(audio.read(clip.path), SAMPLE_RATE))


def _stored(samples: np.ndarray) -> audio.Recording:
    return audio.Recording(audio.as_stored(samples[None], "PCM_16"), SAMPLE_RATE)
