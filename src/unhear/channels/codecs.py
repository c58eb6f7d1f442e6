"""Audio codecs as people meet them: a file is encoded and decoded again, in memory (PyAV).

What comes back is aligned with what went in. Files say themselves how much silence an encoder
has put in front, and ffmpeg takes it off; what they do not say is in :attr:`Codec.delay`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, cast

import numpy as np

from unhear.audio import fitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float

FULL_SCALE = 2.0**15
SHORTEST = 0.2  # s; ffmpeg does not recognise files of very few frames


@dataclass(frozen=True)
class Codec:
    """One codec in one kind of file, by ffmpeg's names."""

    container: str
    encoder: str
    rate: int | None = None  # Hz; None where the encoder takes several
    delay: int = 0  # samples
    least_rate: Callable[[int], int] = lambda _: 0  # Hz, that a bit rate (bit/s) needs


def _of_mp3(bit_rate: int) -> int:
    """MPEG-2.5, MPEG-2 and MPEG-1 take different bit rates; LAME would change them silently."""
    return 8000 if bit_rate <= 64_000 else 16_000 if bit_rate <= 160_000 else 32_000


def _of_aac(bit_rate: int) -> int:
    """A frame of 1024 samples holds 6144 bits at most (ISO 14496-3)."""
    return math.ceil(bit_rate * 1024 / 6144)


# AMR-NB looks 5 ms ahead (3GPP TS 26.090); the two filter banks of G.722 have 24 taps each
# (ITU-T G.722). The tests measure all of them.
CODECS = {
    "mp3": Codec("mp3", "libmp3lame", least_rate=_of_mp3),
    "aac": Codec("mp4", "aac", least_rate=_of_aac),
    "opus": Codec("ogg", "libopus", 48_000),
    "amr-nb": Codec("amr", "libopencore_amrnb", 8000, delay=40),
    "g722": Codec("wav", "g722", 16_000, delay=22),
    "mulaw": Codec("wav", "pcm_mulaw", 8000),
}


def rate_for(codec: Codec, sample_rate: int, bit_rate: int) -> int:
    """The rate in Hz at which audio of ``sample_rate`` is encoded.

    The nearest that the codec allows without loss of bandwidth, or else its highest.
    """
    if codec.rate is not None:
        return codec.rate
    import av

    allowed = sorted(av.Codec(codec.encoder, "w").audio_rates or ())
    needed = max(sample_rate, codec.least_rate(bit_rate))
    return next((rate for rate in allowed if rate >= needed), allowed[-1])


def round_trip(
    samples: Float[np.ndarray, " time"], rate: int, codec: Codec, bit_rate: int
) -> Float[np.ndarray, " time"]:
    """Encode 16-bit samples at ``rate`` Hz, decode them, and align the result."""
    length = max(len(samples) + codec.delay, round(SHORTEST * rate))
    padded = fitted(samples[None], length)[0]
    decoded = _decoded(_encoded(padded, rate, codec, bit_rate))[codec.delay :]
    return fitted(decoded[None], len(samples))[0]


def _encoded(
    samples: Float[np.ndarray, " time"], rate: int, codec: Codec, bit_rate: int
) -> BytesIO:
    import av

    steps = np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    frame = av.AudioFrame.from_ndarray(steps.astype(np.int16)[None], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    file = BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream = cast("av.AudioStream", container.add_stream(codec.encoder, rate))
        stream.layout, stream.bit_rate = "mono", bit_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    return file


def _decoded(file: BytesIO) -> Float[np.ndarray, " time"]:
    """As 16-bit samples again: codecs overshoot full scale, players and files do not."""
    import av

    with av.open(file, "r") as container:
        to_16_bits = av.AudioResampler("s16", "mono")
        frames = [
            part.to_ndarray()[0]
            for frame in [*container.decode(audio=0), None]
            for part in to_16_bits.resample(frame)
        ]
    return np.concatenate(frames).astype(np.float64) / FULL_SCALE
