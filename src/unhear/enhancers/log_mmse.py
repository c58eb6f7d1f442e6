"""Log-MMSE, Ephraim and Malah 1985; the filter is in ``unhear.blackboxes.log_mmse``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry


def build(card: Card, weights: str | None) -> Enhancer:
    """As it comes; it loads no weights."""
    from unhear.blackboxes.base import BlackBox
    from unhear.blackboxes.log_mmse import denoise

    return BlackBox(card, denoise, weights)


ENTRY = Entry(
    Card(
        name="log-mmse",
        summary="classical log-spectral amplitude estimator with a noise tracker",
        sample_rate=16_000,
        parameters=None,
        differentiable=False,
        scales=True,
        paper="doi 10.1109/TASSP.1985.1164550",
        licence="Apache-2.0",
        weights="none",
    ),
    build,
)
