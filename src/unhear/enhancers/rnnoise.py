"""RNNoise, Valin, arXiv 1709.08243; the filter is in ``unhear.blackboxes.rnnoise``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry


def build(card: Card, weights: str | None) -> Enhancer:
    """As it comes; it loads no weights."""
    from unhear.blackboxes.base import BlackBox
    from unhear.blackboxes.rnnoise import denoise

    return BlackBox(card, denoise, weights)


ENTRY = Entry(
    Card(
        name="rnnoise",
        summary="small recurrent network that sets the gains of 32 bands, from Xiph",
        sample_rate=48_000,
        parameters=2_884_769,
        differentiable=False,
        scales=False,
        paper="arXiv 1709.08243",
        licence="BSD-3-Clause, its Python binding Apache-2.0",
        weights="inside the library of pyrnnoise",
    ),
    build,
    requires="pyrnnoise",
    extra="blackbox",
)
