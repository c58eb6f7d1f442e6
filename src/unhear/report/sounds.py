"""Waveforms as a page plays them: 16-bit WAV in data URIs, and what to say about them."""

from __future__ import annotations

import base64
import io
import wave
from math import floor, inf, log10
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int16

FULL_SCALE = 32_768  # in 16-bit steps
LONGEST = 60  # s of each recording that fit in a page


def pcm16(audio: Float[np.ndarray, " time"], sample_rate: int) -> Int16[np.ndarray, " first"]:
    """What a page plays, and therefore what it draws: the first minute in 16 bits, clipped."""
    beginning = audio[: LONGEST * sample_rate]
    return np.clip(np.round(beginning * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(
        np.int16
    )


def unit(sound: Int16[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """16-bit samples in [-1, 1]."""
    return sound.astype(np.float32) / FULL_SCALE


def wav(sound: Int16[np.ndarray, " time"], sample_rate: int) -> bytes:
    """A WAV file, mono, 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(sound.astype("<i2").tobytes())
    return buffer.getvalue()


def data_uri(kind: str, content: bytes) -> str:
    """``content`` as a link that needs no file; ``kind`` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def level(sound: Int16[np.ndarray, " time"]) -> str:
    """Root mean square of the sound in dB relative to full scale, in words."""
    if not sound.any():
        return "digital silence"
    return f"level {_decibels(unit(sound)):.0f} dBFS".replace("-", "\N{MINUS SIGN}")


def amplified(
    faint: Float[np.ndarray, " time"], like: Float[np.ndarray, " other"]
) -> tuple[Float[np.ndarray, " time"], int]:
    """A faint sound made as loud as another one (root mean square), and by how many dB.

    The gain is the largest whole number of dB, 0 or more, that neither makes it louder than
    ``like`` nor takes a sample beyond full scale. Silence stays as it is.
    """
    if not faint.any():
        return faint, 0
    room = min(_decibels(like) - _decibels(faint), -20 * log10(np.abs(faint).max()))
    gain = max(floor(room), 0) if room > -inf else 0
    return faint * 10 ** (gain / 20), gain


def _decibels(audio: Float[np.ndarray, " time"]) -> float:
    power = np.mean(np.square(audio, dtype=np.float64)) if audio.size else 0.0
    return 10 * log10(power) if power > 0 else -inf
