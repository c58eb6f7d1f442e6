"""Spectral gating, arXiv 2412.17851; see ``unhear.blackboxes.spectral_gating``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry


def build(card: Card, weights: str | None) -> Enhancer:
    """As it comes; it loads no weights."""
    from unhear.blackboxes.base import BlackBox
    from unhear.blackboxes.spectral_gating import denoise

    return BlackBox(card, denoise, weights)


ENTRY = Entry(
    Card(
        name="spectral-gating",
        summary="noisereduce's gate per band, non-stationary, with default settings",
        sample_rate=16_000,
        parameters=None,
        differentiable=False,
        scales=True,
        paper="arXiv 2412.17851",
        licence="MIT",
        weights="none",
    ),
    build,
    requires="noisereduce",
    extra="blackbox",
)
