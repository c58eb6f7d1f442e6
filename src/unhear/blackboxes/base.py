"""From torch to a filter of NumPy arrays and back; knows no particular filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.enhancers.base import Enhancer
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int16
    from torch import Tensor

    from unhear.enhancers.base import Card

    Filter = Callable[[np.ndarray], np.ndarray]

INT16_STEPS = 2**15  # in an amplitude of 1


class BlackBox(Enhancer):
    """A filter of single clips, run on the processor, whose output has no gradient."""

    def __init__(self, card: Card, denoise: Filter, weights: str | None = None) -> None:
        """``denoise`` maps samples (time,) in float64 to as many, from a fresh state.

        Raises InputError for ``weights`` of the user's: it loads none.
        """
        if weights is not None:
            raise InputError(f"{card.name} has no weights to load: leave --weights out")
        self.card = card
        self._denoise = denoise

    @torch.no_grad()
    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        clips = audio.detach().cpu().double().numpy()
        output = np.empty_like(clips)
        for clip, samples in enumerate(clips):
            output[clip] = self._denoise(samples)
        return torch.from_numpy(output).to(audio)


def by_frames(
    samples: Float[np.ndarray, " time"], frame: int, delay: int, process: Filter
) -> Float[np.ndarray, " time"]:
    """Run a filter that takes ``frame`` samples at a time and answers ``delay`` samples late.

    Zeros are fed behind the end until everything is out; the output is not late.
    """
    count = -(-(samples.size + delay) // frame)
    padded = np.zeros(count * frame)
    padded[: samples.size] = samples
    output = np.concatenate([process(each) for each in padded.reshape(count, frame)])
    return output[delay : delay + samples.size]


def by_int16_frames(
    samples: Float[np.ndarray, " time"],
    frame: int,
    delay: int,
    process: Callable[[bytes], bytes],
) -> Float[np.ndarray, " time"]:
    """:func:`by_frames` for a filter of the bytes of 16-bit samples."""

    def process_floats(samples: np.ndarray) -> np.ndarray:
        output = process(to_int16(samples).tobytes())
        return np.frombuffer(output, np.int16) / INT16_STEPS

    return by_frames(samples, frame, delay, process_floats)


def to_int16(samples: Float[np.ndarray, " time"]) -> Int16[np.ndarray, " time"]:
    """Amplitudes in [-1, 1] as 16-bit samples: rounded to the nearest, clipped beyond."""
    steps = np.rint(samples * INT16_STEPS)
    return np.clip(steps, -INT16_STEPS, INT16_STEPS - 1).astype(np.int16)
