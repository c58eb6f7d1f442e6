"""MetricGAN+, Fu et al., arXiv 2104.03538; the network is in ``unhear.networks.metricgan``."""

from __future__ import annotations

from pathlib import Path

from unhear.enhancers.base import Card, Enhancer, Entry, bundled

BUNDLED = Path(__file__).parent.parent / "assets" / "metricgan-plus.safetensors"


def build(card: Card, weights: str | None) -> Enhancer:
    """With the bundled weights, or those of the user."""
    from unhear.networks.metricgan import build

    return build(card, weights or bundled(card.name, BUNDLED))


ENTRY = Entry(
    Card(
        name="metricgan+",
        summary="bidirectional LSTM mask, trained against a learned PESQ",
        sample_rate=16_000,
        parameters=1_895_514,
        differentiable=True,
        scales=False,
        paper="arXiv 2104.03538",
        licence="Apache-2.0",
        weights="bundled, trained by this project; the official checkpoint loads too",
    ),
    build,
    bundled=BUNDLED,
)
