"""Audio files in and out: the only place that reads or writes them.

Samples are float64 in [-1, 1], shape (channels, time): wide enough to return every 16-, 24-
and 32-bit sample unchanged. Knows no enhancer and no attack.
"""

from unhear.audio.formats import LOSSLESS, LOSSY, READABLE, kept_subtype
from unhear.audio.reader import (
    check_finite,
    check_whole,
    decoding,
    opened,
    read,
)
from unhear.audio.samples import (
    PCM16_STEP,
    Recording,
    as_stored,
    downmixed,
    fitted,
    resample,
)
from unhear.audio.writer import (
    check_fits,
    check_holds,
    check_writable,
    write,
    writing,
)

__all__ = [
    "LOSSLESS",
    "LOSSY",
    "PCM16_STEP",
    "READABLE",
    "Recording",
    "as_stored",
    "check_finite",
    "check_fits",
    "check_holds",
    "check_whole",
    "check_writable",
    "decoding",
    "downmixed",
    "fitted",
    "kept_subtype",
    "opened",
    "read",
    "resample",
    "write",
    "writing",
]
