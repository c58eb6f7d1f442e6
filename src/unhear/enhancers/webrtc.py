"""WebRTC's noise suppression; the filter is in ``unhear.blackboxes.webrtc``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry


def build(card: Card, weights: str | None) -> Enhancer:
    """As it comes; it loads no weights."""
    from unhear.blackboxes.base import BlackBox
    from unhear.blackboxes.webrtc import denoise

    return BlackBox(card, denoise, weights)


ENTRY = Entry(
    Card(
        name="webrtc",
        summary="what browsers do in calls, at level 4 of 4 and without gain control",
        sample_rate=16_000,
        parameters=None,
        differentiable=False,
        scales=False,
        paper="none; part of webrtc.org's audio processing",
        licence="BSD-3-Clause, its Python binding MIT",
        weights="none",
    ),
    build,
    requires="webrtc_noise_gain",
    extra="blackbox",
)
