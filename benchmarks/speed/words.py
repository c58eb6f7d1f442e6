"""What is left of the words in protected files: by the proxy, and as Whisper reads them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from unhear.audio import downmixed, read
from unhear.enhance import enhanced, peak_normalised
from unhear.enhancers import load_enhancer
from unhear.metrics import capped_wer, word_errors
from unhear.recognise import SAMPLE_RATE, load_recogniser
from unhear.targets import resemblance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from benchmarks.speed.clips import Clip
    from unhear.audio import Recording
    from unhear.enhancers.base import Enhancer


@cache
def frozen(name: str) -> Enhancer:
    """An enhancer as Unhear has it."""
    return load_enhancer(name)


def tensor(recording: Recording) -> Tensor:
    """(channels, time)."""
    return torch.from_numpy(recording.samples).float()


def left(noisy: Recording, protected: Recording, enhancer: Enhancer) -> float:
    """The proxy: what the enhanced protected clip has of the enhanced clip, 1 to 0."""
    return left_of(enhanced(noisy, enhancer), protected, enhancer)


@torch.no_grad()
def left_of(reference: Recording, protected: Recording, enhancer: Enhancer) -> float:
    """:func:`left`, where it is known what the enhancer makes of the clip itself."""
    clips = map(tensor, (enhanced(protected, enhancer), reference))
    return float(resemblance(*clips, enhancer.card.sample_rate).clamp(min=0))


def wer(clips: Sequence[Clip], files: Sequence[Path], name: str) -> float:
    """Of Whisper base, in %, each clip capped at 100, behind the enhancer at full scale."""
    return heard_wer(clips, [read(path) for path in files], name)


def heard_wer(clips: Sequence[Clip], recordings: Sequence[Recording], name: str) -> float:
    """:func:`wer` of recordings."""
    recogniser = load_recogniser(language="en")
    errors = []
    for clip, recording in zip(clips, recordings, strict=True):
        heard = peak_normalised(enhanced(recording, frozen(name)))
        text = recogniser.transcribe(downmixed(heard, SAMPLE_RATE)).text
        errors.append(word_errors(clip.said, text))
    return capped_wer(errors)
