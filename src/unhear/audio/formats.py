"""Which files can be read and written, and in which sample formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOSSLESS = {".wav": "WAV", ".flac": "FLAC"}
LOSSY = (".mp3", ".ogg", ".opus", ".m4a", ".aac")
WIDTHS = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # bytes a sample
READABLE = (*LOSSLESS, ".ogg", ".mp3")


def kept_subtype(subtype: str) -> str:
    """16 bits for what was 8-bit or lossy; otherwise the format that the file came in."""
    return subtype if subtype in WIDTHS else "PCM_16"


def listed(endings: Iterable[str]) -> str:
    """As a sentence has them: WAV, FLAC or OGG."""
    *first, last = [ending.lstrip(".").upper() for ending in endings]
    return f"{', '.join(first)} or {last}"
