"""SEGAN+, Pascual et al., arXiv 1703.09452; the network is in ``unhear.networks.segan``."""

from __future__ import annotations

from pathlib import Path

from unhear.enhancers.base import Card, Enhancer, Entry, bundled

BUNDLED = Path(__file__).parent.parent / "assets" / "segan.safetensors"


def build(card: Card, weights: str | None) -> Enhancer:
    """With the bundled weights, or those of the user."""
    from unhear.networks.segan import build

    return build(card, weights or bundled(card.name, BUNDLED))


ENTRY = Entry(
    Card(
        name="segan",
        summary="convolutional encoder and decoder on the waveform, trained as a GAN; random",
        sample_rate=16_000,
        parameters=16_195_841,
        differentiable=True,
        scales=False,
        paper="arXiv 1703.09452",
        licence="Apache-2.0",
        weights="bundled: this project's own training, at half the authors' width",
    ),
    build,
    bundled=BUNDLED,
)
