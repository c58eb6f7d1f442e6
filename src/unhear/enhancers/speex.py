"""The Speex preprocessor's noise suppression; see ``unhear.blackboxes.speex``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry


def build(card: Card, weights: str | None) -> Enhancer:
    """As it comes; it loads no weights."""
    from unhear.blackboxes.base import BlackBox
    from unhear.blackboxes.speex import denoise

    return BlackBox(card, denoise, weights)


ENTRY = Entry(
    Card(
        name="speex",
        summary="statistical filter of the Speex preprocessor, at its default of 15 dB",
        sample_rate=16_000,
        parameters=None,
        differentiable=False,
        scales=False,
        paper="none; part of SpeexDSP, after Ephraim and Malah",
        licence="BSD-3-Clause, its Python binding Apache-2.0",
        weights="none",
    ),
    build,
    requires="speexdsp_ns",
    extra="blackbox",
)
