"""Recordings that are at hand everywhere."""

from pathlib import Path

import unhear

DEMO = Path(unhear.__file__).parent / "assets" / "demo.wav"
