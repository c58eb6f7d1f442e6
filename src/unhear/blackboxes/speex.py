"""The noise suppression of the Speex preprocessor, through speexdsp-ns."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from unhear.blackboxes.base import by_int16_frames

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float


FRAME = 160  # samples, 10 ms: it adapts by the frame, so short ones adapt sooner
DELAY = FRAME  # the overlap of its windows of two frames
SAMPLE_RATE = 16_000  # Hz


def denoise(samples: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Suppress noise by at most 15 dB, the preprocessor's default, in 16-bit samples."""
    with warnings.catch_warnings(action="ignore"):  # of SWIG's types, from Python 3.12 on
        from speexdsp_ns import NoiseSuppression

    suppression = NoiseSuppression.create(FRAME, SAMPLE_RATE)
    try:
        return by_int16_frames(samples, FRAME, DELAY, suppression.process)
    finally:
        # Python does not own what create() returns, and would never free it.
        NoiseSuppression.__swig_destroy__(suppression)
