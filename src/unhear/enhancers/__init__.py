"""The enhancers that there are, by name. Cards are here, so that listing them loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from unhear.enhancers.base import Card
from unhear.errors import InputError

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer

DEFAULT = "metricgan+"


@dataclass(frozen=True)
class Entry:
    """A card and the ``module:function`` that builds the enhancer from ``(card, weights)``."""

    card: Card
    builder: str


REGISTRY: dict[str, Entry] = {
    entry.card.name: entry
    for entry in [
        Entry(
            Card(
                name="metricgan+",
                summary="bidirectional LSTM mask, trained against a learned PESQ",
                sample_rate=16_000,
                parameters=1_895_514,
                differentiable=True,
                paper="arXiv 2104.03538",
                licence="Apache-2.0",
                weights="bundled (trained by this project); the official checkpoint loads too",
            ),
            "unhear.enhancers.metricgan:build",
        ),
    ]
}


def find(name: str) -> Entry:
    """The entry called ``name``; raises InputError, suggesting the nearest name."""
    if name in REGISTRY:
        return REGISTRY[name]
    near = get_close_matches(name.lower(), REGISTRY, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(REGISTRY)}"
    raise InputError(f"there is no enhancer called {name!r}: {hint}")


def load_enhancer(name: str = DEFAULT, weights: str | None = None) -> Enhancer:
    """Build an enhancer with its own weights, or with the user's.

    ``weights`` is a file (safetensors or a PyTorch state dict), a folder
    that holds it under its public name, or
    the ``ORGANISATION/MODEL`` of a model in the local hub cache.
    Raises InputError for an unknown name or weights of another network.
    """
    entry = find(name)
    module, function = entry.builder.split(":")
    build = getattr(import_module(module), function)
    return build(entry.card, weights)
