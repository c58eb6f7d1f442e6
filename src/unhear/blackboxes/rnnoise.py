"""RNNoise: the library that ships in pyrnnoise, called directly.

Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement",
arXiv 1709.08243; version 0.2 with its larger network.
"""

from __future__ import annotations

from ctypes import POINTER, c_float
from functools import cache
from importlib.metadata import distribution
from runpy import run_path
from typing import TYPE_CHECKING, Any

import numpy as np

from unhear.blackboxes.base import INT16_STEPS, by_frames

if TYPE_CHECKING:
    from jaxtyping import Float


FRAME = 480  # samples, 10 ms
DELAY = 960  # samples, 20 ms: one frame of overlap, one of look-ahead


def denoise(samples: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Suppress noise at 48 kHz, in float32 scaled as 16-bit samples are."""
    library = _library()
    state = library.rnnoise_create(None)

    def process(frame: np.ndarray) -> np.ndarray:
        scaled = (frame * INT16_STEPS).astype(np.float32)
        pointer = scaled.ctypes.data_as(POINTER(c_float))
        library.rnnoise_process_frame(state, pointer, pointer)
        return scaled / INT16_STEPS

    try:
        return by_frames(samples, FRAME, DELAY, process)
    finally:
        library.rnnoise_destroy(state)


@cache
def _library() -> Any:
    """The shared library with its signatures, from the one file of pyrnnoise that binds it.

    Importing the whole package would load FFmpeg, too, for reading files.
    """
    binding = distribution("pyrnnoise").locate_file("pyrnnoise/rnnoise.py")
    return run_path(str(binding))["lib"]
