"""WebRTC's noise suppression, as browsers run it, through webrtc-noise-gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear.blackboxes.base import by_int16_frames

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float


FRAME = 160  # samples, 10 ms
DELAY = 96  # samples, 6 ms: the overlap of its windows of 256
GAIN_CONTROL = 0  # off
SUPPRESSION = 4  # "very high", the strongest of 1 to 4


def denoise(samples: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Suppress noise at 16 kHz, in 16-bit samples, behind a high-pass that is always on.

    The high-pass turns the phase of low voices, so SI-SDR is poor even on clean speech.
    """
    from webrtc_noise_gain import AudioProcessor

    processor = AudioProcessor(GAIN_CONTROL, SUPPRESSION)
    return by_int16_frames(
        samples, FRAME, DELAY, lambda frame: processor.Process10ms(frame).audio
    )
