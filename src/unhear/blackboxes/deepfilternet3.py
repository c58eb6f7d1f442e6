"""DeepFilterNet3's native library, called directly, frame by frame.

Its functions are those of Rikorose/DeepFilterNet, libDF/src/capi.rs. The library computes what
``unhear.networks.deepfilternet`` does; it is here to show that an attack reaches the real one.
"""

from __future__ import annotations

import os
import platform
import sys
from ctypes import CDLL, c_char_p, c_float, c_void_p
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.ctypeslib import ndpointer

from unhear.blackboxes.base import BlackBox, by_frames
from unhear.errors import FailureError, InputError
from unhear.networks.checkpoints import locate
from unhear.networks.deepfilternet import MODEL
from unhear.networks.deepfilternet.archive import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float

    from unhear.enhancers.base import Card

FRAME = 480  # samples, 10 ms
DELAY = 1440  # samples, 30 ms: one frame of overlap, two of look-ahead
NO_LIMIT = 100.0  # dB of attenuation, from which on the library limits nothing


def denoise(
    library: CDLL, model: bytes, samples: Float[np.ndarray, " time"]
) -> Float[np.ndarray, " time"]:
    """Suppress noise at 48 kHz, in float32, with the model in the file ``model``."""
    state = library.df_create(model, NO_LIMIT, None)

    def process(frame: np.ndarray) -> np.ndarray:
        output = np.empty(FRAME, np.float32)
        library.df_process_frame(state, frame.astype(np.float32), output)
        return output

    try:
        return by_frames(samples, FRAME, DELAY, process)
    finally:
        library.df_free(state)


def load_library(path: Path) -> CDLL:
    """The library with its signatures; raises FailureError where it cannot be loaded."""
    try:
        library = CDLL(os.fspath(path))
    except OSError as error:
        raise FailureError(
            f"DeepFilterNet3's library cannot be loaded ({error}): use deepfilternet3, "
            "which computes the same"
        ) from error
    frame = ndpointer(np.float32, shape=(FRAME,), flags="C_CONTIGUOUS")
    library.df_create.argtypes = [c_char_p, c_float, c_char_p]  # the last: level of the log
    library.df_create.restype = c_void_p
    library.df_process_frame.argtypes = [c_void_p, frame, frame]
    library.df_process_frame.restype = c_float  # estimate of the SNR in dB
    library.df_free.argtypes = [c_void_p]
    library.df_free.restype = None
    return library


def require_platform(card: Card) -> None:
    """Raise InputError unless this is Linux on x86-64, for which the library is pinned."""
    here = (sys.platform, platform.machine())
    if here != ("linux", "x86_64"):
        raise InputError(
            f"{card.name} runs on Linux on x86-64 only, not on {' '.join(here)}: "
            "use deepfilternet3, which computes the same"
        )


def build(card: Card, library: Path, model: str) -> BlackBox:
    """The library with the model of an archive, or of the folder that holds it.

    Raises InputError when there is none or it holds another network.
    """
    path = locate(model, MODEL)
    load_network(path)  # a model that the library does not like ends the whole process
    return BlackBox(card, partial(denoise, load_library(library), os.fsencode(path)))
