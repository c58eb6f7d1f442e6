"""Real noisy speech: mixtures of the `test` split, as `unhear evaluate` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import torch

from unhear.audio import Recording, resample
from unhear.datasets import mixtures, read_noises, read_speech, seconds_of
from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SNRS_DB = (8.0, 4.0)
SEED = 0


@dataclass(frozen=True, eq=False)
class Clip:
    """A noisy recording at 16 kHz and what is said in it."""

    name: str
    recording: Recording
    said: str


@cache
def noisy(data: Path, count: int, shortest: float, longest: float) -> list[Clip]:
    """``count`` mixtures that last from ``shortest`` to ``longest`` seconds, evenly spread.

    Raises InputError when there are not as many.
    """
    speech = [each for each in read_speech(data) if seconds_of(each.path) >= shortest]
    every = mixtures(speech, read_noises(data), SNRS_DB, clips=None, seed=SEED, longest=longest)
    if len(every) < count:
        raise InputError(
            f"{data} has {len(every)} mixtures of {shortest:g} to {longest:g} s, but {count} "
            "are needed: give more speech"
        )
    chosen = [every[i] for i in np.linspace(0, len(every) - 1, count).round().astype(int)]
    return [Clip(each.name, each.load()[1], each.utterance.transcript) for each in chosen]


def batch(data: Path, count: int, seconds: float, rate: int) -> Tensor:
    """(count, time): so many seconds each, cut from mixtures one behind the other."""
    clips = noisy(data, 16, 2.0, 10.0)
    long = np.concatenate([each.recording.samples[0] for each in clips])
    audio = resample(long[None], clips[0].recording.sample_rate, rate)[0]
    cut = np.resize(audio, (count, round(seconds * rate)))
    return torch.from_numpy(cut).float()


def write_long(data: Path, path: Path, seconds: float, rate: int) -> None:
    """A stereo file of any length in little memory: mixtures, repeated, in both channels."""
    mono = batch(data, 1, 60.0, rate)[0].numpy()
    block = np.stack([mono, np.roll(mono, len(mono) // 2)], 1)
    left = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        while left > 0:
            file.write(block[:left])
            left -= len(block)
