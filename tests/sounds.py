"""Sounds that are at hand everywhere."""

from pathlib import Path

import numpy as np

import unhear

DEMO = Path(unhear.__file__).parent / "assets" / "demo.wav"


def bursts() -> np.ndarray:
    """2 s at 16 kHz of a harmonic tone that comes and goes: enough like speech for PESQ and
    STOI to find utterances.
    """
    time = np.arange(32_000) / 16_000
    tone = sum(np.sin(2 * np.pi * hertz * time) / hertz for hertz in (200, 400, 800, 1600))
    return tone * (20 * (np.sin(2 * np.pi * 1.5 * time) > 0))


VOICE = bursts()
