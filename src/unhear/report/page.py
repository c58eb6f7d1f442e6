"""Panels, figures and settings → one HTML file that needs nothing else.

Sound, pictures and style are inside the file, and its content security policy forbids the
browser to load anything more. Knows no enhancer and no attack: it shows what it is given.
"""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from unhear import audio
from unhear.errors import InputError
from unhear.report import spectrogram

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float, Int16

FULL_SCALE = 32_768  # in 16-bit steps
LONGEST = 60  # s of each recording that fit in a page


@dataclass(frozen=True)
class Panel:
    """One sound to listen to and look at."""

    title: str
    caption: str  # what the listener hears
    audio: Float[np.ndarray, " time"]  # mono, [-1, 1]
    sample_rate: int  # Hz
    transcript: str | None  # what a recogniser wrote; empty: nothing; None: not asked


@dataclass(frozen=True)
class Page:
    """Everything that one page says, in its order."""

    title: str
    summary: str  # the outcome in one sentence
    panels: list[Panel]  # two to six
    figures: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """label, value, explanation"""
    settings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass(frozen=True)
class _Exhibit:
    """A panel as the template shows it."""

    title: str
    caption: str
    transcript: str | None
    facts: str
    alt: str
    picture: str  # data URI
    sound: str  # data URI


def write_page(page: Page, folder: Path, name: str) -> Path:
    """Write ``folder/name.html``, whole or not at all, and return its path.

    Makes the folder when it is missing; embeds the first 60 s of longer sounds.
    Raises InputError when the folder cannot be made or the file not be written.
    """
    html = _render(page)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}): name another one"
        ) from error
    path = folder / f"{name}.html"
    with audio.replacing(path) as partial:
        partial.write_text(html, encoding="utf-8")
    return path


def _render(page: Page) -> str:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("unhear.report").joinpath("page.html").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        page=page,
        exhibits=_exhibits(page.panels),
        shortened=any(_seconds(panel) > LONGEST for panel in page.panels),
        longest=LONGEST,
        width=spectrogram.WIDTH,
        height=spectrogram.HEIGHT,
        colours=spectrogram.colour_stops(),
        range_db=round(spectrogram.RANGE_DB),
    )


def _exhibits(panels: list[Panel]) -> list[_Exhibit]:
    sounds = [_pcm16(panel) for panel in panels]
    rates = [panel.sample_rate for panel in panels]
    levels = [
        spectrogram.decibels(_unit(sound), rate)
        for sound, rate in zip(sounds, rates, strict=True)
    ]
    scale = spectrogram.common_scale(levels, rates)
    pictures = [
        spectrogram.picture(level, rate, sound.size / rate, scale)
        for level, sound, rate in zip(levels, sounds, rates, strict=True)
    ]
    return [_exhibit(*parts) for parts in zip(panels, sounds, pictures, strict=True)]


def _exhibit(panel: Panel, sound: Int16[np.ndarray, " time"], picture: bytes) -> _Exhibit:
    return _Exhibit(
        title=panel.title,
        caption=panel.caption,
        transcript=panel.transcript if panel.transcript is None else panel.transcript.strip(),
        facts=" · ".join([_length(panel), _kilohertz(panel.sample_rate), _level(sound)]),
        alt=f"Spectrogram: {panel.title}. {_level(sound)}.",
        picture=_data_uri("image/png", picture),
        sound=_data_uri("audio/wav", _wav(sound, panel.sample_rate)),
    )


def _pcm16(panel: Panel) -> Int16[np.ndarray, " time"]:
    """What the page plays, and therefore what it draws: the first minute in 16 bits."""
    beginning = panel.audio[: LONGEST * panel.sample_rate]
    return np.clip(np.round(beginning * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(
        np.int16
    )


def _unit(sound: Int16[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    return sound.astype(np.float32) / FULL_SCALE


def _wav(sound: Int16[np.ndarray, " time"], sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(sound.astype("<i2").tobytes())
    return buffer.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _seconds(panel: Panel) -> float:
    return panel.audio.size / panel.sample_rate


def _length(panel: Panel) -> str:
    seconds = _seconds(panel)
    if seconds > LONGEST:
        return f"first {LONGEST} s of {seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _kilohertz(sample_rate: int) -> str:
    return f"{sample_rate / 1000:g} kHz"


def _level(sound: Int16[np.ndarray, " time"]) -> str:
    """Root mean square of the sound in dB relative to full scale."""
    if not sound.any():
        return "digital silence"
    level = 10 * np.log10(np.mean(np.square(_unit(sound), dtype=np.float64)))
    return f"level {level:.0f} dBFS".replace("-", "\N{MINUS SIGN}")
