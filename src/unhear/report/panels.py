"""Recordings → players and spectrograms side by side, all of a group on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unhear.report import sounds, spectrogram

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Int16


@dataclass(frozen=True)
class Panel:
    """One sound to listen to and look at."""

    title: str
    caption: str  # what the listener hears
    audio: Float[np.ndarray, " time"]  # mono, [-1, 1]
    sample_rate: int  # Hz
    transcript: str | None = None  # what a recogniser wrote; empty: nothing; None: not asked


@dataclass(frozen=True)
class ShownPanel:
    """A panel as the template shows it."""

    title: str
    caption: str
    transcript: str | None
    facts: str
    alt: str
    picture: str  # data URI
    sound: str  # data URI


def shown(panels: list[Panel]) -> list[ShownPanel]:
    """The panels with their spectrograms, which share one scale."""
    heard = [sounds.pcm16(panel.audio, panel.sample_rate) for panel in panels]
    rates = [panel.sample_rate for panel in panels]
    levels = [
        spectrogram.decibels(sounds.unit(sound), rate)
        for sound, rate in zip(heard, rates, strict=True)
    ]
    scale = spectrogram.common_scale(levels, rates)
    pictures = [
        spectrogram.picture(level, rate, sound.size / rate, scale)
        for level, sound, rate in zip(levels, heard, rates, strict=True)
    ]
    return [_shown(*parts) for parts in zip(panels, heard, pictures, strict=True)]


def any_shortened(panels: list[Panel]) -> bool:
    """Whether a page holds only the beginning of one of these sounds."""
    return any(_seconds(panel) > sounds.LONGEST for panel in panels)


def _shown(panel: Panel, sound: Int16[np.ndarray, " time"], picture: bytes) -> ShownPanel:
    level = sounds.level(sound)
    return ShownPanel(
        title=panel.title,
        caption=panel.caption,
        transcript=panel.transcript if panel.transcript is None else panel.transcript.strip(),
        facts=" · ".join([_length(panel), f"{panel.sample_rate / 1000:g} kHz", level]),
        alt=f"Spectrogram: {panel.title}. {level}.",
        picture=sounds.data_uri("image/png", picture),
        sound=sounds.data_uri("audio/wav", sounds.wav(sound, panel.sample_rate)),
    )


def _seconds(panel: Panel) -> float:
    return panel.audio.size / panel.sample_rate


def _length(panel: Panel) -> str:
    seconds = _seconds(panel)
    if seconds > sounds.LONGEST:
        return f"first {sounds.LONGEST} s of {seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
